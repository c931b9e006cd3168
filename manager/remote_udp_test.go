package manager

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"simone/agent/responder"
	"simone/internal/snmp"
	"simone/internal/store"
	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

// udpChild is a list host behind a responder on loopback, and the way to it.
type udpChild struct {
	*remoteDelegate
	host *Host
	seq  uint32
}

func newUDPChild(t *testing.T, capacity int) *udpChild {
	t.Helper()
	host, err := New(Config{
		Node:  &fakeNode{id: Identity{ID: 4, Role: mib.RoleLeaf, Level: 1, Path: "1/4", Address: "127.0.0.4:1161", Candidate: true}},
		Store: store.NewMemory(), Poller: &fakePoller{}, Clock: NewClock(),
		Profiles:        profile.BuiltInSet,
		HoldsCredential: func(name string) bool { return name == "demo" },
		Incarnation:     77, Capacity: capacity,
	})
	if err != nil {
		t.Fatal(err)
	}
	tree := mib.NewTree()
	if err := host.Register(tree); err != nil {
		t.Fatal(err)
	}
	agent, err := responder.New(responder.Config{
		Listen:      "127.0.0.1:0",
		Communities: []responder.Community{{Name: "all", Secret: "secret", Write: &responder.View{}}},
	}, tree)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := snmp.NewKeyring(snmp.Credential{Name: "demo", Version: snmp.V2c, Community: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	poller, err := snmp.NewPoller(snmp.PollerConfig{LocalAddress: netip.MustParseAddr("127.0.0.1")}, keys)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- agent.Run(ctx) }()
	go func() { ended <- poller.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return &udpChild{host: host, remoteDelegate: &remoteDelegate{
		poller: poller, clock: NewClock(), child: 4, address: agent.Addr(), credential: "demo",
		controlTimeout: 5 * time.Second, probeTimeout: 5 * time.Second,
	}}
}

// order sends a control SET under the next fence.
func (c *udpChild) order(t *testing.T, set reconfig.ControlSet) error {
	t.Helper()
	if set.Fence == (mib.Fence{}) {
		c.seq++
		set.Fence = mib.Fence{Parent: 1, Own: mib.Epoch{1<<16 | 1}, Term: 1, Seq: c.seq}
	}
	_, err := c.control(t.Context(), reconfig.Control{ID: 1, Child: 4, ControlSet: set})
	return err
}

func (c *udpChild) mustOrder(t *testing.T, set reconfig.ControlSet) {
	t.Helper()
	if err := c.order(t, set); err != nil {
		t.Fatal(err)
	}
}

func udpRow(id mib.NodeID, count uint32) mib.SupportRow {
	return mib.SupportRow{
		Node: id, Epoch: mib.Epoch{1<<16 | count}, Slot: 5, Due: 10 * time.Minute, Interval: time.Hour, Kind: mib.KindLeaf,
		Name: fmt.Sprintf("node-%d", id), Address: fmt.Sprintf("127.0.%d.%d:161", id/250, id%250+1),
		Profile: mib.ProfileSimone, Credential: "demo",
	}
}

// TestControlAndProbeOverUDP has both ends of the wire talk to each other:
// what one writes, the other reads.
func TestControlAndProbeOverUDP(t *testing.T) {
	c := newUDPChild(t, 300)
	c.mustOrder(t, reconfig.ControlSet{Verb: reconfig.Claim})
	if got := probeOnce(t, c.remoteDelegate, reconfig.Probe{Child: 4, Full: true}).Report; got.Active || got.Fence.Seq != 1 || got.Fence.Parent != 1 || len(got.Rows) != 0 || got.Capacity != 300 {
		t.Errorf("after the claim: %+v", got)
	}
	c.mustOrder(t, reconfig.ControlSet{Verb: reconfig.Promote, Settings: reconfig.IlmSettings{TriggerMillis: 2000, PollMillis: 3000}})
	c.host.mu.Lock()
	if got := c.host.list.Settings(); !c.host.list.Active() || got.TriggerMillis != 2000 || got.PollMillis != 3000 {
		t.Errorf("after the promotion: active %v, %+v", c.host.list.Active(), got)
	}
	c.host.mu.Unlock()

	// Three hundred rows, as many at a time as fit.
	var apply mib.Apply
	octets := 1
	flush := func() {
		c.mustOrder(t, reconfig.ControlSet{Verb: reconfig.Stage, Apply: apply})
		apply, octets = mib.Apply{}, 1
	}
	for id := mib.NodeID(10); id < 310; id++ {
		row := udpRow(id, uint32(id))
		if octets+row.Len() > mib.MaxApply {
			flush()
		}
		apply.Stage = append(apply.Stage, row)
		octets += row.Len()
	}
	flush()

	full := probeOnce(t, c.remoteDelegate, reconfig.Probe{Child: 4, Full: true}).Report
	if !full.Full || !full.Active || len(full.Rows) != 300 || full.Digest.Count != 300 {
		t.Fatalf("%d rows, digest of %d; want 300", len(full.Rows), full.Digest.Count)
	}
	sum := mib.Digest{}
	for i, r := range full.Rows {
		want := udpRow(mib.NodeID(10+i), uint32(10+i))
		slack := want.Due - r.Row.Due // has passed since the row was staged
		want.Due = r.Row.Due
		if r.Row != want || slack < 0 || slack > 5*time.Minute {
			t.Fatalf("row %d:\ngot  %+v\nwant %+v", i, r.Row, want)
		}
		sum.Add(r.Row.Node, r.Row.Epoch)
	}
	if sum != full.Digest {
		t.Errorf("digest %v, the rows give %v", full.Digest, sum)
	}

	part := probeOnce(t, c.remoteDelegate, reconfig.Probe{Child: 4, Rows: []mib.NodeID{3, 12, 200, 309, 310}}).Report
	if len(part.Rows) != 3 || part.Rows[0].Row.Node != 12 || part.Rows[2].Row.Node != 309 || part.Full {
		t.Errorf("named rows: %+v, want 12, 200 and 309", part.Rows)
	}

	c.mustOrder(t, reconfig.ControlSet{Verb: reconfig.Release, Apply: mib.Apply{Destroy: []mib.Tombstone{{Node: 12, Epoch: mib.Epoch{1<<16 | 12}}}}})
	log := readOnce(t, c.remoteDelegate, reconfig.Cursor{})
	if n := len(log.Records); n != 301 || log.Incarnation != 77 || log.Records[0].Kind != mib.RecordAdded || log.Records[300].Kind != mib.RecordRemoved || log.Records[300].Node != 12 {
		t.Errorf("%d records of incarnation %d, want 300 rows that came and one that went", n, log.Incarnation)
	}
	c.mustOrder(t, reconfig.ControlSet{Verb: reconfig.Acknowledge, Cursor: reconfig.Cursor{Incarnation: 77, Seq: 300}})
	if rest := readOnce(t, c.remoteDelegate, reconfig.Cursor{}); len(rest.Records) != 1 || rest.Records[0].Seq != 301 {
		t.Errorf("after the acknowledgement the log has %+v", rest.Records)
	}
}

func TestRefusalsOverUDP(t *testing.T) {
	stage := func(rows ...mib.SupportRow) reconfig.ControlSet {
		return reconfig.ControlSet{Verb: reconfig.Stage, Apply: mib.Apply{Stage: rows}}
	}
	row := func(change func(*mib.SupportRow)) mib.SupportRow {
		r := udpRow(20, 7)
		change(&r)
		return r
	}
	tombstone := reconfig.ControlSet{Verb: reconfig.Release, Apply: mib.Apply{Destroy: []mib.Tombstone{{Node: 20, Epoch: mib.Epoch{1<<16 | 9}}}}}
	for _, tt := range []struct {
		name   string
		before []reconfig.ControlSet
		set    reconfig.ControlSet
		why    reconfig.Failure
		text   string
	}{
		{"fence below", nil, reconfig.ControlSet{Verb: reconfig.Claim, Fence: mib.Fence{Parent: 1, Own: mib.Epoch{1 << 16}, Term: 1, Seq: 1}}, reconfig.FenceStale, "lower than the one seen"},
		{"fence used with other content", nil, reconfig.ControlSet{Verb: reconfig.Claim, Fence: mib.Fence{Parent: 1, Own: mib.Epoch{1<<16 | 1}, Term: 1, Seq: 1}}, reconfig.FenceStale, "used already"},
		{"epoch below the tombstone", []reconfig.ControlSet{tombstone}, stage(udpRow(20, 9)), reconfig.EpochStale, "tombstone"},
		{"epoch below the row", []reconfig.ControlSet{stage(udpRow(20, 9))}, stage(udpRow(20, 8)), reconfig.EpochStale, "below the row's"},
		{"credential not held", nil, stage(row(func(r *mib.SupportRow) { r.Credential = "x" })), reconfig.NotHeld, `credential "x"`},
		{"profile not held", nil, stage(row(func(r *mib.SupportRow) { r.Profile = "x" })), reconfig.NotHeld, `profile "x"`},
		{"no room", []reconfig.ControlSet{stage(udpRow(20, 7))}, stage(udpRow(21, 8)), reconfig.NotHeld, "full"},
		{"no such kind", nil, stage(row(func(r *mib.SupportRow) { r.Kind = 9 })), reconfig.Malformed, "kind 9"},
		{"demotion with rows", []reconfig.ControlSet{stage(udpRow(20, 7))}, reconfig.ControlSet{Verb: reconfig.Demote}, reconfig.Malformed, "still on the support list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newUDPChild(t, 1)
			c.mustOrder(t, reconfig.ControlSet{Verb: reconfig.Promote, Settings: reconfig.IlmSettings{TriggerMillis: 1000, PollMillis: 1000}})
			for _, set := range tt.before {
				c.mustOrder(t, set)
			}
			before := probeOnce(t, c.remoteDelegate, reconfig.Probe{Child: 4, Full: true}).Report
			wantFailure(t, c.order(t, tt.set), tt.why, tt.text)
			after := probeOnce(t, c.remoteDelegate, reconfig.Probe{Child: 4, Full: true}).Report
			if after.Fence != before.Fence || after.Digest != before.Digest || after.Active != before.Active {
				t.Errorf("a refused SET has changed something:\n%+v\n%+v", before, after)
			}
		})
	}
}

func TestARepeatedControlSetIsAnsweredAsBefore(t *testing.T) {
	c := newUDPChild(t, 10)
	set := reconfig.ControlSet{
		Verb: reconfig.Promote, Settings: reconfig.IlmSettings{TriggerMillis: 1000, PollMillis: 1000},
		Fence: mib.Fence{Parent: 1, Own: mib.Epoch{1<<16 | 1}, Term: 1, Seq: 1},
	}
	c.mustOrder(t, set)
	c.mustOrder(t, set)
}

func TestAWrongCommunityIsATimeOut(t *testing.T) {
	c := newUDPChild(t, 10)
	keys, err := snmp.NewKeyring(snmp.Credential{Name: "demo", Version: snmp.V2c, Community: "guess"})
	if err != nil {
		t.Fatal(err)
	}
	c.poller.(*snmp.Poller).Rekey(keys)
	c.controlTimeout = 50 * time.Millisecond
	wantFailure(t, c.order(t, reconfig.ControlSet{Verb: reconfig.Claim}), reconfig.TimedOut, "no answer")
}
