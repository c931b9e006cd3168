//go:build linux

package testbed

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"simone/agent/responder"
	"simone/internal/snmp"
	"simone/mib"
)

// receiver takes informs of losses, as a management station does.
type receiver struct {
	address netip.AddrPort

	// mu guards the field below.
	mu     sync.Mutex
	losses []string
}

// listen starts a receiver for the length of a test.
func listen(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	front, err := responder.New(responder.Config{
		Listen:      "127.0.0.1:0",
		Communities: []responder.Community{{Name: "tree", Secret: "private", Notify: true}},
		Notify:      r.take,
	}, mib.NewTree())
	if err != nil {
		t.Fatal(err)
	}
	r.address = front.Addr()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- front.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the receiver of informs: %v", err)
		}
	})
	return r
}

func (r *receiver) take(n snmp.Notification) bool {
	if n.TrapOID.Equal(mib.SimoneIlmLost) {
		words := make([]string, len(n.Vars))
		for i, v := range n.Vars {
			words[i] = fmt.Sprintf("%s=%v", mib.NameOf(v.Name), v.Value)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.losses = append(r.losses, strings.Join(words, " "))
	}
	return true
}

// of waits for the inform of an ILM's manager that it was lost.
func (r *receiver) of(t *testing.T, name string, id mib.NodeID) {
	t.Helper()
	lost := regexp.MustCompile(fmt.Sprintf(`^simoneEventNodeId\.\d+=%d simoneEventNodes\.\d+=\d+ simoneEventSeen\.\d+=\d+ probes unanswered$`, id))
	eventually(t, levelsPatience, "the manager of "+name+" informs that it was lost", func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		if slices.ContainsFunc(r.losses, lost.MatchString) {
			return ""
		}
		return fmt.Sprintf("%d informs of losses: %q", len(r.losses), r.losses)
	})
}
