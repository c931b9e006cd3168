package frontends

import (
	"bytes"
	"fmt"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"simone/internal/snmp"
	"simone/internal/snmp/usm"
	"simone/mib"
)

// The counters of RFC 3414, section 5, below usmStats.
const (
	notInTimeWindows = 2 + iota
	unknownUserNames
	unknownEngineIDs
	wrongDigests
	decryptionErrors
)

// attacker writes SNMPv3 messages octet by octet, as no library lets one.
type attacker struct {
	tb   testing.TB
	f    *front
	conn *net.UDPConn
	buf  []byte
	id   int32
	snmp.Envelope
	scope snmp.Scope
	keys  *usm.Keys
}

// newAttacker finds out what everybody can: the engine's id, boots and time.
func newAttacker(tb testing.TB, f *front) *attacker {
	tb.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(f.addr))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	a := &attacker{tb: tb, f: f, conn: conn, buf: make([]byte, 65536)}
	a.Envelope = snmp.Envelope{MaxSize: snmp.MaxMessage, Flags: snmp.FlagReportable}
	a.ask(a.seal(nil))
	a.learn()
	if len(a.EngineID) == 0 {
		tb.Fatal("no engine id")
	}
	// The boots and the time come with the first message that is authentic.
	a.become("manager", authPassphrase, privPassphrase)
	a.Boots, a.Time = 0, 0
	a.ask(a.seal(nil))
	a.learn()
	return a
}

// learn takes the engine's id, boots and time of the last answer.
func (a *attacker) learn() {
	a.tb.Helper()
	var e snmp.Envelope
	if err := e.Decode(a.buf); err != nil {
		a.tb.Fatal(err)
	}
	a.EngineID, a.Boots, a.Time = bytes.Clone(e.EngineID), e.Boots, e.Time
	a.scope.EngineID = a.EngineID
}

// become makes the next messages those of a user with these passphrases.
func (a *attacker) become(name, auth, priv string) {
	a.tb.Helper()
	u := user(a.tb, name)
	m, err := usm.NewMaster(u.Auth, auth, u.Priv, priv)
	if err != nil {
		a.tb.Fatal(err)
	}
	if a.keys, err = m.Localize(a.EngineID); err != nil {
		a.tb.Fatal(err)
	}
	a.User, a.Flags = []byte(name), snmp.FlagAuth|snmp.FlagPriv|snmp.FlagReportable
}

// seal makes a SET of variables; a GET of none if there are none.
func (a *attacker) seal(v []mib.Variable) []byte {
	a.tb.Helper()
	a.id++
	m := snmp.Message{Version: snmp.V3, PDU: snmp.PDU{Verb: mib.VerbSet, RequestID: a.id, Vars: v}}
	if v == nil {
		m.Verb = mib.VerbGet
	}
	a.ID = a.id
	b, err := a.Append(nil, &a.scope, &m, a.keys)
	if err != nil {
		a.tb.Fatal(err)
	}
	return b
}

// ask sends a message and waits for whatever comes back.
func (a *attacker) ask(b []byte) {
	a.tb.Helper()
	a.send(b)
	if err := a.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		a.tb.Fatal(err)
	}
	n, err := a.conn.Read(a.buf[:cap(a.buf)])
	if err != nil {
		a.tb.Fatalf("%s: %v", a.f.name, err)
	}
	a.buf = a.buf[:n]
}

func (a *attacker) send(b []byte) {
	a.tb.Helper()
	if _, err := a.conn.Write(b); err != nil {
		a.tb.Fatal(err)
	}
}

// counted reads a counter of the engine's. All that was sent before has been
// dealt with then: both front ends take one message after another.
func (f *front) counted(tb testing.TB, counter uint32) uint64 {
	tb.Helper()
	name := usmStats().Append(counter)
	if counter == decryptionErrors && f.responder == nil {
		// With AES every key decrypts to something, which net-snmp calls a
		// scoped PDU that it cannot parse.
		name = inASNParseErrs()
	}
	p, err := client(tb, f.addr, gosnmp.Version2c, "public").Get([]string{mib.Instance(name).String()})
	if err != nil {
		tb.Fatal(err)
	}
	n, ok := p.Variables[0].Value.(uint)
	if !ok {
		tb.Fatalf("%s has no usmStats.%d: %v", f.name, counter, p.Variables[0])
	}
	return uint64(n)
}

// stage is what the manager may do: a row more, behind the next fence.
func stage(w *world, id mib.NodeID) []mib.Variable {
	return []mib.Variable{w.fence(), apply(mib.Apply{Stage: []mib.SupportRow{row(id, 9)}})}
}

// eachFront runs a test with either front end.
func eachFront(t *testing.T, test func(t *testing.T, f *front)) {
	t.Run("responder", func(t *testing.T) { test(t, startResponder(t, newWorld(t, 100))) })
	t.Run("snmpd", func(t *testing.T) { test(t, startSNMPd(t, newWorld(t, 100))) })
}

// TestRFC3414Section32 sends SETs of which each has one thing wrong: the engine
// counts it (RFC 3414, section 5), and the support list knows nothing of it.
func TestRFC3414Section32(t *testing.T) {
	eachFront(t, func(t *testing.T, f *front) {
		a := newAttacker(t, f)
		w := f.world
		for i, x := range []struct {
			name    string
			counter uint32
			wrong   func(a *attacker)     // before it is sealed
			forged  func(b []byte) []byte // afterwards
		}{
			{name: "Step3/AnotherEngine", counter: unknownEngineIDs, wrong: func(a *attacker) { a.EngineID = append(bytes.Clone(a.EngineID), 7) }},
			{name: "Step4/UnknownUser", counter: unknownUserNames, wrong: func(a *attacker) { a.User = []byte("root") }},
			{name: "Step6/WrongAuthKey", counter: wrongDigests, wrong: func(a *attacker) { a.become("manager", "guessed auth", privPassphrase) }},
			{name: "Step6/OtherUsersKey", counter: wrongDigests, wrong: func(a *attacker) { a.become("manager", privPassphrase, privPassphrase) }},
			{name: "Step6/ForgedMAC", counter: wrongDigests, forged: func(b []byte) []byte {
				at := macAt(b)
				b[at] ^= 1
				return b
			}},
			{name: "Step6/NoMAC", counter: wrongDigests, forged: func(b []byte) []byte {
				at := macAt(b)
				clear(b[at : at+24])
				return b
			}},
			{name: "Step6/ForgedContent", counter: wrongDigests, forged: func(b []byte) []byte {
				b[len(b)-1] ^= 1
				return b
			}},
			{name: "Step7a/Yesterday", counter: notInTimeWindows, wrong: func(a *attacker) { a.Boots-- }},
			{name: "Step7a/OutsideTheWindow", counter: notInTimeWindows, wrong: func(a *attacker) { a.Time += 200 }},
			{name: "Step7a/BootsAreLatched", counter: notInTimeWindows, wrong: func(a *attacker) { a.Boots = math.MaxInt32 }},
			{name: "Step8/WrongPrivKey", counter: decryptionErrors, wrong: func(a *attacker) { a.become("manager", authPassphrase, "guessed priv") }},
		} {
			t.Run(x.name, func(t *testing.T) {
				before, state := f.counted(t, x.counter), w.state()
				good := a.Envelope
				defer func() { a.Envelope = good; a.become("manager", authPassphrase, privPassphrase) }()
				if x.wrong != nil {
					x.wrong(a)
				}
				sent := uint64(0)
				// What a wrong key makes of a message begins as it should once
				// in 256 times; then it is not counted as this.
				for range 3 {
					b := a.seal(stage(w, mib.NodeID(60+i)))
					if x.forged != nil {
						b = x.forged(b)
					}
					a.send(b)
					sent++
				}
				got := f.counted(t, x.counter) - before
				if least := map[bool]uint64{true: 1, false: sent}[x.counter == decryptionErrors]; got < least || got > sent {
					t.Errorf("%d of %d are counted", got, sent)
				}
				if now := w.state(); now != state {
					t.Errorf("it changed\n%s\nto\n%s", state, now)
				}
			})
		}
		// The same with nothing wrong.
		a.send(a.seal(stage(w, 80)))
		until(t, "the manager's own SET", func() bool { return strings.Contains(w.state(), "leaf80") })
	})
}

// macAt is where a message of net-snmp's or our own has its MAC: the element
// of 24 octets, as SHA-256 has them (RFC 7860).
func macAt(b []byte) int {
	user := bytes.Index(b, []byte("manager"))
	return user + len("manager") + 2
}

// TestRFC3414Section11Replay sends a recorded SET again within the time window, which
// USM alone would take (RFC 3414, section 1.1 leaves that to others): the
// responder knows it, and behind an snmpd the fence does.
func TestRFC3414Section11Replay(t *testing.T) {
	eachFront(t, func(t *testing.T, f *front) {
		a := newAttacker(t, f)
		w := f.world
		recorded := a.seal(stage(w, 60))
		a.ask(bytes.Clone(recorded))
		a.ask(a.seal([]mib.Variable{w.fence(), apply(mib.Apply{Destroy: []mib.Tombstone{{Node: 60, Epoch: mib.Epoch{1<<16 | 9}}}})}))
		state, stale := w.state(), w.tree.Get(mib.Instance(mib.SimoneIlmStaleFences)).Uint
		for range 3 {
			a.send(bytes.Clone(recorded))
		}
		if f.responder != nil {
			until(t, "three replays are counted", func() bool { return f.responder.Stats().InReplays == 3 })
		} else {
			until(t, "three stale fences are counted", func() bool {
				return w.tree.Get(mib.Instance(mib.SimoneIlmStaleFences)).Uint == stale+3
			})
		}
		if now := w.state(); now != state || strings.Contains(now, "leaf60") {
			t.Errorf("the replay changed\n%s\nto\n%s", state, now)
		}
	})
}

// controls is every control SET that there is, behind a fence.
func controls(fence mib.Variable) map[string][]mib.Variable {
	tomb := []mib.Tombstone{{Node: 20, Epoch: mib.Epoch{1<<16 | 9}}}
	return map[string][]mib.Variable{
		"Claim":       {fence},
		"Stage":       {fence, apply(mib.Apply{Stage: []mib.SupportRow{row(60, 9)}})},
		"Release":     {fence, apply(mib.Apply{Destroy: tomb})},
		"Columns":     {fence, cell(mib.SimoneSupportName, 20, mib.Text("mine"))},
		"Destroy":     {fence, cell(mib.SimoneSupportRowStatus, 20, mib.Integer(int32(mib.RowDestroy)))},
		"Promote":     {fence, scalar(mib.SimoneIlmPollInterval, mib.Gauge(100)), scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminUp)))},
		"Demote":      {fence, scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminDown)))},
		"Acknowledge": {fence, scalar(mib.SimoneIlmCursor, mib.Octets([]byte{0, 0, 0, 0, 0, 0, 0, 77, 0, 0, 0, 0}))},
	}
}

// TestRFC3415Section32MonitorWrites has a user whom VACM gives no write view, with the right
// keys and the right fence, try all that a manager may do.
func TestRFC3415Section32MonitorWrites(t *testing.T) {
	eachFront(t, func(t *testing.T, f *front) {
		w := f.world
		for version, who := range map[string]string{"3": "monitor", "2c": "public"} {
			for name, v := range controls(w.fence()) {
				t.Run(who+"/"+name, func(t *testing.T) {
					state := w.state()
					want := "authorizationError at 1\n"
					var uses uint64
					if f.responder != nil {
						uses = f.responder.Stats().InBadCommunityUses
					} else {
						want = "noAccess at 1\n" // as noAccessAlways says
					}
					if got := set(t, f, version, who, v); got != want {
						t.Errorf("got %q, not %q", got, want)
					}
					if f.responder != nil && f.responder.Stats().InBadCommunityUses != uses+1 {
						t.Error("it is not counted")
					}
					if now := w.state(); now != state {
						t.Errorf("it changed\n%s\nto\n%s", state, now)
					}
				})
			}
		}
	})
}

// TestOlderManagers has a manager whom another one has followed go on with the
// right keys: one with an older term, one with an old sequence, and one who
// writes a fence that was used. DESIGN section 5, fencing.
func TestOlderManagers(t *testing.T) {
	eachFront(t, func(t *testing.T, f *front) {
		w := f.world
		w.must(t, fence(7, 40)) // the one of today
		own := mib.Fence{Parent: 1, Own: self(), Term: 7, Seq: 40}
		other, older := own, own
		other.Parent = 9
		older.Own, older.Term = mib.Epoch{1<<16 | 3}, 99
		packed := func(f mib.Fence) mib.Variable { return scalar(mib.SimoneIlmFence, mib.Octets(f.Append(nil))) }
		for _, x := range []struct {
			name  string
			fence mib.Variable
		}{
			{"OlderTerm", fence(6, 1000)}, {"OlderSequence", fence(7, 39)},
			{"FenceOfAnotherParent", packed(other)}, {"OlderRow", packed(older)},
		} {
			for name, v := range controls(x.fence) {
				for _, version := range []string{"3", "2c"} {
					t.Run(fmt.Sprintf("%s/%s/v%s", x.name, name, version), func(t *testing.T) {
						state, stale := w.state(), w.tree.Get(mib.Instance(mib.SimoneIlmStaleFences)).Uint
						who := map[string]string{"3": "manager", "2c": "private"}[version]
						if got, want := set(t, f, version, who, v), "inconsistentValue at 1\n"; got != want {
							t.Errorf("got %q, not %q", got, want)
						}
						if n := w.tree.Get(mib.Instance(mib.SimoneIlmStaleFences)).Uint - stale; n != 1 {
							t.Errorf("%d stale fences are counted", n)
						}
						if now := w.state(); now != state {
							t.Errorf("it changed\n%s\nto\n%s", state, now)
						}
					})
				}
			}
		}
		// The manager of today goes on.
		if got := set(t, f, "3", "manager", controls(fence(7, 41))["Stage"]); !strings.HasPrefix(got, "noError") {
			t.Error(got)
		}
	})
}
