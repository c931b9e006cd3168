//go:build linux

package testbed

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

// fabric joins hosts: every packet from one to another goes through it. It can
// lose, delay, double and withhold packets, each way on its own, and notes who
// asks whom: what it has seen nobody can have imagined.
type fabric struct {
	// mu guards the fields below.
	mu      sync.Mutex
	hosts   map[netip.Addr]*host
	weather map[way]weather // of ways that are not clear
	chance  *rand.Rand
	asks    map[netip.Addr][]heard // by who is asked
	carried uint64
	lost    uint64
}

// way is from one host to another.
type way struct{ from, to netip.Addr }

// weather is what happens to packets on their way.
type weather struct {
	loss, double  float64 // of all packets, 0 to 1
	delay, jitter time.Duration
}

// severed lets nothing pass.
var severed = weather{loss: 1}

// heard is a datagram that was delivered to an agent.
type heard struct {
	by netip.Addr
	at time.Time
}

func newFabric(seed uint64) *fabric {
	return &fabric{
		hosts: make(map[netip.Addr]*host), weather: make(map[way]weather), asks: make(map[netip.Addr][]heard),
		chance: rand.New(rand.NewPCG(seed, 0xfab)),
	}
}

// join makes a host and connects it. Without the rights that this needs the
// test is skipped, but not in CI.
func (f *fabric) join(t *testing.T, address netip.Addr) *host {
	t.Helper()
	h, err := newHost(t, address)
	if err != nil {
		if errors.Is(err, errHost) && os.Getenv("CI") != "true" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	f.mu.Lock()
	f.hosts[address] = h
	f.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.read(t, h)
	}()
	t.Cleanup(func() {
		_ = h.tun.Close()
		<-ended
	})
	return h
}

// read carries on what a host sends.
func (f *fabric) read(tb testing.TB, h *host) {
	b := make([]byte, 1<<16)
	for {
		n, err := h.tun.Read(b)
		if err != nil {
			if !errors.Is(err, fs.ErrClosed) {
				tb.Errorf("%s: %v", h.tun.Name(), err)
			}
			return
		}
		f.carry(b[:n])
	}
}

// Of RFC 791 and RFC 768.
const (
	ipv4Header = 20
	udpHeader  = 8
	udp        = 17
)

// carry has one IPv4 packet go where it is to go.
func (f *fabric) carry(b []byte) {
	if len(b) < ipv4Header || b[0]>>4 != 4 {
		return // IPv6 looks for neighbours
	}
	w := way{netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))}
	f.mu.Lock()
	to := f.hosts[w.to]
	bad := f.weather[w]
	copies, delay := 1, bad.delay
	switch {
	case f.chance.Float64() < bad.loss:
		copies = 0
	case f.chance.Float64() < bad.double:
		copies = 2
	}
	if bad.jitter > 0 {
		delay += time.Duration(f.chance.Int64N(int64(bad.jitter)))
	}
	if to == nil || copies == 0 {
		f.lost++
		f.mu.Unlock()
		return
	}
	f.carried++
	f.mu.Unlock()
	packet := append([]byte(nil), b...)
	for i := range copies {
		if d := delay * time.Duration(i+1); d > 0 {
			time.AfterFunc(d, func() { f.deliver(to, w, packet) })
		} else {
			f.deliver(to, w, packet)
		}
	}
}

// deliver hands a packet to a host, and notes it if it is for an agent.
func (f *fabric) deliver(to *host, w way, packet []byte) {
	if _, err := to.tun.Write(packet); err != nil {
		return // the host is about to go, or its queue is full, as in life
	}
	header := int(packet[0]&15) * 4
	if fragment := binary.BigEndian.Uint16(packet[6:]) & 0x1fff; packet[9] != udp || fragment > 0 || len(packet) < header+udpHeader {
		return
	}
	if binary.BigEndian.Uint16(packet[header+2:]) != agentPort {
		return
	}
	f.mu.Lock()
	f.asks[w.to] = append(f.asks[w.to], heard{w.from, time.Now()})
	f.mu.Unlock()
}

// set changes the weather on the way from some to others, and back too if both
// ways are meant. The zero weather is clear.
func (f *fabric) set(x weather, from, to []netip.Addr, both bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	put := func(w way) {
		if x == (weather{}) {
			delete(f.weather, w)
		} else {
			f.weather[w] = x
		}
	}
	for _, a := range from {
		for _, b := range to {
			if a != b {
				put(way{a, b})
				if both {
					put(way{b, a})
				}
			}
		}
	}
}

// clear has all packets pass from now on.
func (f *fabric) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.weather)
}

// asked gives the datagrams that came to an agent since a time, of which those
// that some hosts sent are not wanted.
func (f *fabric) asked(at netip.Addr, since time.Time, except map[netip.Addr]bool) (all []heard) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.asks[at] {
		if h.at.After(since) && !except[h.by] {
			all = append(all, h)
		}
	}
	return all
}
