package snmp

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"simone/mib"
)

// A process that was not running when an answer came takes it all the same,
// however late; one that finds none gives up.
func TestPollerThatOversleptTakesAnswers(t *testing.T) {
	const timeout = 10 * time.Millisecond
	for _, answered := range []bool{true, false} {
		name := "Unanswered"
		if answered {
			name = "Answered"
		}
		t.Run(name, func(t *testing.T) {
			came := make(chan struct{}, 8)
			a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
				if answered {
					a.send(answer(m, n), d.Source)
				}
				came <- struct{}{}
			})
			p, err := NewPoller(PollerConfig{LocalAddress: loopback()}, mustKeys(t))
			if err != nil {
				t.Fatal(err)
			}
			req := get(a.Addr(), someName)
			req.Timeout = timeout
			done := make(chan mib.Response, 1)
			p.Start(req, func(r mib.Response) { done <- r })
			<-came
			<-time.After(timeout + 2*overslept) // nobody runs the poller
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() {
				if err := p.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			defer running.Wait()
			defer cancel()
			switch r := <-done; {
			case answered && r.Err != nil:
				t.Error(r.Err)
			case !answered && !errors.Is(r.Err, mib.ErrTimeout):
				t.Errorf("error %v", r.Err)
			}
			if s := p.Stats(); s.Sent != 1 {
				t.Errorf("sent %d times", s.Sent)
			}
		})
	}
}
