package tlm

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
)

// ear is a Forwarder that remembers what it was to hand on, and to whom.
type ear struct {
	mu    sync.Mutex
	deaf  bool // the leader does not answer
	heard []string
}

func (e *ear) Inform(ctx context.Context, to string, trap mib.OID, vars []mib.Variable) error {
	e.mu.Lock()
	e.heard = append(e.heard, to+" "+mib.NameOf(trap)+" "+uuidIn(vars))
	deaf := e.deaf
	e.mu.Unlock()
	if deaf {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func says(trap mib.OID, uuid string) (mib.OID, []mib.Variable) {
	return trap, []mib.Variable{{Name: mib.Instance(mib.SimoneNodeUuid), Value: mib.Text(uuid)}}
}

// A standby acknowledges what the leader has acknowledged, and nothing else.
func TestStandbyHandsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leader, e := "192.0.2.1:1161", new(ear)
		s := NewStandby(StandbyOptions{Standing: func() Standing { return Standing{Leader: Peer{Address: leader}} }, Forwarder: e})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		notified := func(trap mib.OID, vars []mib.Variable) bool {
			taken := s.Notified(netip.AddrPort{}, trap, vars)
			synctest.Wait()
			return taken
		}
		heard := func(want int) {
			t.Helper()
			e.mu.Lock()
			defer e.mu.Unlock()
			if len(e.heard) != want {
				t.Fatalf("handed on %q, want %d", e.heard, want)
			}
		}

		if notified(says(mib.SimoneNodeJoined, "a")) {
			t.Error("acknowledged before the leader has")
		}
		heard(1)
		if !notified(says(mib.SimoneNodeJoined, "a")) {
			t.Error("not acknowledged after the leader has")
		}
		heard(1)
		if notified(says(mib.SimoneNodeJoined, "a")) {
			t.Error("what comes after the acknowledgement may be news, and was acknowledged")
		}
		heard(2)
		if !notified(mib.SimoneIlmLost, nil) {
			t.Error("what concerns no TLM was not acknowledged")
		}
		heard(2)

		e.deaf = true
		for range 2 {
			if notified(says(mib.SimoneNodeJoined, "b")) {
				t.Error("acknowledged although the leader does not answer")
			}
		}
		heard(3) // once while it waits
		// A node that leaves takes back what it said before.
		e.deaf = false
		if notified(says(mib.SimoneNodeLeaving, "b")) {
			t.Error("acknowledged before the leader has")
		}
		heard(4)
		if !notified(says(mib.SimoneNodeLeaving, "b")) {
			t.Error("not acknowledged after the leader has")
		}
		time.Sleep(2 * handOnWait)
		heard(4)

		leader = ""
		for range 2 {
			if notified(says(mib.SimoneNodeJoined, "c")) {
				t.Error("acknowledged although nobody leads")
			}
		}
		heard(4)
		cancel()
		if err := <-ended; err != nil || errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// A sender of ever new informs fills no memory.
func TestStandbyIsBounded(t *testing.T) {
	s := NewStandby(StandbyOptions{Standing: func() Standing { return Standing{} }})
	for i := range 2 * maxHanded {
		s.Notified(netip.AddrPort{}, mib.SimoneNodeJoined, []mib.Variable{{Name: mib.Instance(mib.SimoneNodeUuid), Value: mib.Gauge(uint32(i))}})
	}
	if len(s.known) > maxHanded {
		t.Errorf("%d informs are kept", len(s.known))
	}
}
