package manager

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
)

// A manager that may not act neither writes nor sets, whatever it was about to
// do, and goes on with a new term as soon as it is poked.
func TestConductorActsOnlyWhileItLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memoryStore{}
		b := newEngineBench(t, store)
		var deposed atomic.Bool
		b.cfg.Leads = func() error {
			if deposed.Load() {
				return errors.New("the lease is over")
			}
			return nil
		}
		child := listAgent(b.cfg.Clock)
		var sets atomic.Int64
		set := child.onSet
		child.onSet = func(vars []mib.Variable) (mib.ErrorStatus, int) {
			sets.Add(1)
			return set(vars)
		}
		n := leafNode(2)
		n.Candidate = true
		b.net.agents[netip.MustParseAddrPort(n.Address)] = child
		b.start(t)
		if err := b.Join(t.Context(), n, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		counts := func() (int64, int) {
			store.mu.Lock()
			defer store.mu.Unlock()
			return sets.Load(), store.applied
		}
		setsBefore, writesBefore := counts()
		term := b.Meta().Term
		if setsBefore == 0 {
			t.Fatal("the ILM was set nothing; the test tests nothing")
		}

		deposed.Store(true)
		time.Sleep(30 * time.Second)
		if s, w := counts(); s != setsBefore || w != writesBefore {
			t.Errorf("without the lead %d control SETs and %d writes", s-setsBefore, w-writesBefore)
		}
		if n := b.logs.count("cannot go on"); n != 1 {
			t.Errorf("the log says %d times that it cannot go on", n)
		}

		deposed.Store(false)
		b.Poke()
		synctest.Wait()
		if now := b.Meta().Term; now <= term {
			t.Errorf("term %d after term %d, right after it was poked", now, term)
		}
		time.Sleep(5 * time.Second)
		if s, _ := counts(); s == setsBefore {
			t.Error("with the lead again it sets nothing")
		}
	})
}
