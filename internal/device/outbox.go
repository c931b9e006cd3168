package device

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"simone/internal/snmp"
)

// outbox holds answers back until they are due.
type outbox struct {
	socket *snmp.Socket
	added  chan struct{} // holds one token: look again

	// mu guards letters.
	mu      sync.Mutex
	letters letters
}

// letter is an answer on its way.
type letter struct {
	due time.Time
	b   []byte
	to  snmp.Datagram
}

// maxLetters is how many answers wait at most; more are lost, as in any queue.
const maxLetters = 1 << 16

func newOutbox(s *snmp.Socket) *outbox { return &outbox{socket: s, added: make(chan struct{}, 1)} }

// add has b, which may then be used again, sent when it is due.
func (o *outbox) add(due time.Time, b []byte, to snmp.Datagram) {
	o.mu.Lock()
	if len(o.letters) < maxLetters {
		heap.Push(&o.letters, letter{due, append([]byte(nil), b...), to})
	}
	o.mu.Unlock()
	select {
	case o.added <- struct{}{}:
	default:
	}
}

// run sends until ctx ends.
func (o *outbox) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.added:
		case <-timer.C:
		}
		for {
			o.mu.Lock()
			if len(o.letters) == 0 {
				o.mu.Unlock()
				break
			}
			if wait := time.Until(o.letters[0].due); wait > 0 {
				timer.Reset(wait)
				o.mu.Unlock()
				break
			}
			l := heap.Pop(&o.letters).(letter)
			o.mu.Unlock()
			_ = o.socket.Answer(l.b, l.to) // what cannot be sent is lost
		}
	}
}

// letters are a heap by due.
type letters []letter

func (l letters) Len() int           { return len(l) }
func (l letters) Less(i, j int) bool { return l[i].due.Before(l[j].due) }
func (l letters) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *letters) Push(x any)        { *l = append(*l, x.(letter)) }
func (l *letters) Pop() any {
	last := len(*l) - 1
	x := (*l)[last]
	(*l)[last] = letter{}
	*l = (*l)[:last]
	return x
}
