package device

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// arrivals notes when queries were answered.
type arrivals struct {
	began time.Time
	// mu guards the fields below.
	mu   sync.Mutex
	last map[netip.AddrPort]time.Duration // since began
	left sync.WaitGroup
}

func (a *arrivals) Answered(to netip.AddrPort, r *mib.Response) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Err == nil {
		a.last[to] = time.Since(a.began)
	}
	a.left.Done()
}

// A device that takes 900 ms, give or take 2, keeps nobody else waiting, not
// even where the window has room for a single datagram.
func TestSlowDeviceDelaysNobody(t *testing.T) {
	slow := start(t, Config{Faults: Faults{Delay: 900 * time.Millisecond, Jitter: 2 * time.Millisecond}})
	fast := start(t, Config{Listen: netip.MustParseAddrPort("0.0.0.0:0")})
	keys, err := snmp.NewKeyring(snmp.Credential{Name: "v2c", Version: snmp.V2c, Community: "public"})
	if err != nil {
		t.Fatal(err)
	}
	for _, window := range []int{1, 4, 256} {
		poller, err := snmp.NewPoller(snmp.PollerConfig{LocalAddress: netip.MustParseAddr("127.0.0.1"), Courtesy: snmp.Courtesy{Window: window}}, keys)
		if err != nil {
			t.Fatal(err)
		}
		run(t, poller.Run)
		query, err := snmp.NewQuery(mib.Request{Credential: "v2c", Verb: mib.VerbGet, Timeout: patience, Vars: []mib.Variable{{Name: mib.MustOID("1.3.6.1.2.1.1.3.0")}}})
		if err != nil {
			t.Fatal(err)
		}
		a := &arrivals{began: time.Now(), last: make(map[netip.AddrPort]time.Duration)}
		const others = 50
		a.left.Add(1 + others)
		poller.Together(func() {
			poller.Ask(slow.Addr(), query, a)
			at := netip.MustParseAddr("127.4.0.1")
			for range others {
				poller.Ask(netip.AddrPortFrom(at, fast.Addr().Port()), query, a)
				at = at.Next()
			}
		})
		a.left.Wait()
		if len(a.last) != 1+others {
			t.Errorf("window %d: %d answers, not %d", window, len(a.last), 1+others)
		}
		for to, took := range a.last {
			if to != slow.Addr() && took >= a.last[slow.Addr()] {
				t.Errorf("window %d: %v answered after %v, not before the slow one", window, to, took)
			}
		}
	}
}

// A round with one device in five dead takes as long as those have time to
// answer, whatever the window is: it is no number of workers.
func TestRoundTakesAsLongWithAnyWindow(t *testing.T) {
	const (
		devices, deadShare = 500, 5
		timeout            = 400 * time.Millisecond
		silentPort         = 9 // discard
	)
	fast := start(t, Config{Listen: netip.MustParseAddrPort("0.0.0.0:0")})
	keys, err := snmp.NewKeyring(snmp.Credential{Name: "v2c", Version: snmp.V2c, Community: "public"})
	if err != nil {
		t.Fatal(err)
	}
	query, err := snmp.NewQuery(mib.Request{
		Credential: "v2c", Verb: mib.VerbGet, Timeout: timeout, Retries: 1, Vars: []mib.Variable{{Name: mib.MustOID("1.3.6.1.2.1.1.3.0")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, window := range []int{4, 64, 4096} {
		poller, err := snmp.NewPoller(snmp.PollerConfig{LocalAddress: netip.MustParseAddr("127.0.0.1"), Courtesy: snmp.Courtesy{Window: window}}, keys)
		if err != nil {
			t.Fatal(err)
		}
		run(t, poller.Run)
		a := &arrivals{began: time.Now(), last: make(map[netip.AddrPort]time.Duration)}
		a.left.Add(devices)
		poller.Together(func() {
			at := netip.MustParseAddr("127.5.0.1")
			for i := range devices {
				port := fast.Addr().Port()
				if i%deadShare == 0 {
					port = silentPort
				}
				poller.Ask(netip.AddrPortFrom(at, port), query, a)
				at = at.Next()
			}
		})
		a.left.Wait()
		took := time.Since(a.began)
		if want := devices - devices/deadShare; len(a.last) != want {
			t.Errorf("window %d: %d answers, not %d", window, len(a.last), want)
		}
		// Both attempts of the dead, once more as long where the machine stands
		// still; if the dead had kept the window of 4 shut it were 20 s.
		if took < 2*timeout || took > 5*timeout {
			t.Errorf("window %d: the round took %v", window, took)
		}
		t.Logf("window %d: %v", window, took)
	}
}
