package tlm

import (
	"sync"

	"simone/reconfig"
)

// feedBacklog is how many entries wait for a subscriber.
const feedBacklog = 256

// feed passes entries on to whoever subscribed. The zero feed is ready.
type feed struct {
	// mu guards the field below.
	mu          sync.Mutex
	subscribers map[chan reconfig.Entry]struct{}
}

func (f *feed) publish(e reconfig.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.subscribers {
		select {
		case c <- e:
		default: // it is too slow; the event table has it
		}
	}
}

func (f *feed) subscribe() (<-chan reconfig.Entry, func()) {
	c := make(chan reconfig.Entry, feedBacklog)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.subscribers == nil {
		f.subscribers = make(map[chan reconfig.Entry]struct{})
	}
	f.subscribers[c] = struct{}{}
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, in := f.subscribers[c]; in {
			delete(f.subscribers, c)
			close(c)
		}
	}
}
