package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// eventStore is an EntryStore in memory.
type eventStore struct {
	mu      sync.Mutex
	entries []LoggedEntry
}

func (s *eventStore) Entries(after uint64, limit int) ([]LoggedEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.entries, func(e LoggedEntry) bool { return e.Seq > after })
	if i < 0 {
		return nil, nil
	}
	return slices.Clone(s.entries[i:]), nil
}

func (s *eventStore) add(e reconfig.Entry) reconfig.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, LoggedEntry{Seq: uint64(len(s.entries) + 1), Entry: e})
	return e
}

// TestHerald: every receiver gets each transformation and each loss once, in
// order, with the variables of the event's row; a receiver that does not answer
// keeps nobody waiting, and what was before is not told.
func TestHerald(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &eventStore{}
		store.add(reconfig.Entry{At: 1, Kind: reconfig.KindSplit}) // of an earlier life
		var mu sync.Mutex
		var got, slow []string
		receiver := func(list *[]string, delay time.Duration, err error) Notify {
			return func(ctx context.Context, n mib.OID, vars []mib.Variable) error {
				select {
				case <-time.After(delay):
				case <-ctx.Done():
					return ctx.Err()
				}
				mu.Lock()
				defer mu.Unlock()
				text := mib.NameOf(n)
				for _, v := range vars {
					text += fmt.Sprintf(" %s=%v", mib.NameOf(v.Name), v.Value)
				}
				*list = append(*list, text)
				return err
			}
		}
		h := NewHerald(store, []Notify{receiver(&got, 0, nil), receiver(&slow, time.Minute, errors.New("no answer"))}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		for _, e := range []reconfig.Entry{
			{At: 10, Kind: reconfig.KindJoined, Node: 7},
			{At: 11, Kind: reconfig.KindSplit, From: 4, To: 5, Nodes: 3, Seen: "hot", Expected: "half"},
			{At: 12, Kind: reconfig.KindLost, Node: 4, Nodes: 3, Seen: "3 probes unanswered"},
		} {
			h.Heard(store.add(e))
		}
		time.Sleep(time.Second)
		mu.Lock()
		want := []string{
			"simoneTransformation simoneEventKind.3=1 simoneEventFrom.3=4 simoneEventTo.3=5 simoneEventNodes.3=3 simoneEventSeen.3=hot simoneEventExpected.3=half",
			"simoneIlmLost simoneEventNodeId.4=4 simoneEventNodes.4=3 simoneEventSeen.4=3 probes unanswered",
		}
		if !slices.Equal(got, want) || len(slow) != 0 {
			t.Errorf("got %q, want %q; the slow one has %q", got, want, slow)
		}
		mu.Unlock()
		time.Sleep(3 * time.Minute)
		h.Heard(store.add(reconfig.Entry{At: 13, Kind: reconfig.KindMerge, From: 5, To: 6}))
		time.Sleep(2 * time.Minute)
		mu.Lock()
		if len(got) != 3 || len(slow) != 3 || !slices.Equal(slow[:2], want) {
			t.Errorf("in the end %q and %q", got, slow)
		}
		mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
