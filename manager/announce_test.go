package manager

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
)

// setsOf gives what one SET request writes, by name.
func setsOf(a asked) map[string]mib.Value {
	m := make(map[string]mib.Value)
	for _, v := range a.Vars {
		m[mib.NameOf(v.Name)] = v.Value
	}
	return m
}

func TestAnnouncementTellsANodeWhoseItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var status atomic.Int32
		var lost atomic.Bool
		b := newBench(t, nil)
		b.poller.answer = func(r mib.Request) (mib.Response, time.Duration, bool) {
			if r.Verb == mib.VerbSet {
				return mib.Response{Status: mib.ErrorStatus(status.Load()), Vars: r.Vars}, time.Millisecond, !lost.Load()
			}
			return ones(r), time.Millisecond, r.Address.String() != row(22, 1).Address
		}
		b.run(t)
		b.promote(t)
		device := row(21, 1)
		device.Kind = mib.KindDevice
		b.stage(t, row(20, 1), device, row(22, 1)) // 22 is dead
		time.Sleep(3 * time.Second)

		sets := b.poller.of(mib.VerbSet)
		if len(sets) != 1 {
			t.Fatalf("%d announcements, want one: to the node that answers, not to the device, not to the dead", len(sets))
		}
		got := setsOf(sets[0])
		for name, want := range map[string]string{
			"simoneNodeId.0": "20", "simoneNodeParentId.0": "4", "simoneNodeParent.0": "127.0.0.4:16100",
			"simoneNodePath.0": "1/4/20", "simoneNodeLevel.0": "2",
		} {
			if got[name].String() != want {
				t.Errorf("%s is %q, want %q", name, got[name], want)
			}
		}
		if e, err := mib.ParseEpoch(got["simoneNodeEpoch.0"].Bytes); err != nil || e != row(20, 1).Epoch {
			t.Errorf("epoch %v, %v", e, err)
		}
		if a := sets[0].Address.String(); a != row(20, 1).Address || sets[0].Credential != "demo" {
			t.Errorf("sent to %s with %s", a, sets[0].Credential)
		}

		lost.Store(true) // it is tried again with every poll until it is answered
		b.stage(t, row(20, 2))
		time.Sleep(3 * time.Second)
		if n := len(b.poller.of(mib.VerbSet)); n != 4 {
			t.Errorf("%d SETs in 3 slots in which none was answered, want 3 more", n)
		}
		lost.Store(false)
		status.Store(int32(mib.InconsistentValue)) // a newer owner has been there
		time.Sleep(3 * time.Second)
		if n := len(b.poller.of(mib.VerbSet)); n != 5 {
			t.Errorf("%d SETs, want one more: a refusal is an answer", n)
		}
		if c := b.Counts(); c.Announced != 1 || c.Refused != 1 {
			t.Errorf("counts are %+v", c)
		}

		status.Store(int32(mib.NoError))
		b.node.mu.Lock()
		b.node.id.Path, b.node.id.Level = "1/3/4", 2 // this manager was moved itself
		b.node.mu.Unlock()
		time.Sleep(2 * time.Second)
		sets = b.poller.of(mib.VerbSet)
		if len(sets) != 6 || setsOf(sets[5])["simoneNodePath.0"].String() != "1/3/4/20" {
			t.Errorf("%d SETs after this manager's own path changed, want one more with the new path", len(sets))
		}
	})
}
