package snmp

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"simone/mib"
)

func joined() mib.OID { return mib.MustOID("1.3.6.1.4.1.8072.9999.9999.7466.0.1") }

// startListener runs a listener; what accept takes comes through the channel.
func startListener(tb testing.TB, accept func(n int) bool) (*Listener, <-chan Notification) {
	tb.Helper()
	got := make(chan Notification, 100)
	n := 0
	l, err := NewListener(ListenerConfig{
		Listen: netip.MustParseAddrPort("127.0.0.1:0"),
		Communities: []Credential{
			{Name: "join", Version: V2c, Community: "public"}, {Name: "old", Version: V1, Community: "public"}},
		Handle: func(x Notification) bool {
			n++
			if !accept(n) {
				return false
			}
			got <- x
			return true
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := l.Run(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() { cancel(); wg.Wait() })
	return l, got
}

func always(int) bool { return true }

func TestInform(t *testing.T) {
	l, got := startListener(t, always)
	p, _ := startPoller(t)
	n := NewNotifier(p, time.Now().Add(-time.Hour))
	vars := []mib.Variable{{Name: mib.OID{1, 3, 6, 1, 9}, Value: mib.Text("uuid")}}
	if err := n.Inform(t.Context(), Target{Address: l.Addr(), Credential: "public", Timeout: patience}, joined(), vars); err != nil {
		t.Fatal(err)
	}
	x := <-got
	if x.Source != p.Addr() || x.Community != "join" || !x.Inform || !x.TrapOID.Equal(joined()) ||
		len(x.Vars) != 1 || x.Vars[0].Value.String() != "uuid" || x.Uptime < 360000 || x.Uptime > 361000 {
		t.Errorf("got %+v", x)
	}
}

// The answer is lost: the inform comes again, is answered, and passed on once.
func TestInformRepeatedIsDeliveredOnce(t *testing.T) {
	l, got := startListener(t, always)
	relay := newRelay(t, l.Addr(), func(back bool, n int) bool { return back && n <= 2 })
	p, _ := startPoller(t)
	notifier := NewNotifier(p, time.Now())
	to := Target{Address: relay, Credential: "public", Timeout: 20 * time.Millisecond, Retries: 1000}
	for range 2 {
		if err := notifier.Inform(t.Context(), to, joined(), nil); err != nil {
			t.Fatal(err)
		}
	}
	<-got
	<-got
	if len(got) != 0 {
		t.Errorf("%d notifications too many", len(got))
	}
	if s := l.Stats(); s.Accepted < 4 {
		t.Errorf("no repetitions: %+v", s)
	}
}

func TestInformNotAcceptedIsNotAnswered(t *testing.T) {
	l, got := startListener(t, func(n int) bool { return n > 1 })
	p, _ := startPoller(t)
	done := make(chan error, 1)
	NewNotifier(p, time.Now()).StartInform(
		Target{Address: l.Addr(), Credential: "public", Timeout: 20 * time.Millisecond, Retries: 1000},
		joined(), nil, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	<-got
	if s := l.Stats(); s.RefusedByUser != 1 || p.Stats().Retries == 0 {
		t.Errorf("%+v", s)
	}
}

func TestInformToNobody(t *testing.T) {
	a := newFakeAgent(t, func(*fakeAgent, int, *Message, Datagram) {})
	p, _ := startPoller(t)
	err := NewNotifier(p, time.Now()).Inform(t.Context(),
		Target{Address: a.Addr(), Credential: "public", Timeout: time.Millisecond, Retries: 2}, joined(), nil)
	if !errors.Is(err, mib.ErrTimeout) {
		t.Errorf("error %v", err)
	}
}

func TestTrap(t *testing.T) {
	l, got := startListener(t, always)
	p, _ := startPoller(t)
	to := Target{Address: l.Addr(), Credential: "public"}
	if err := NewNotifier(p, time.Now()).Trap(t.Context(), to, joined(), nil); err != nil {
		t.Fatal(err)
	}
	if x := <-got; x.Inform || !x.TrapOID.Equal(joined()) {
		t.Errorf("got %+v", x)
	}
}

// RFC 3584, section 3.1: traps of v1 in the terms of v2.
func TestTrapV1(t *testing.T) {
	l, got := startListener(t, always)
	s := mustOpen(t, "127.0.0.1:0")
	enterprise := mib.MustOID("1.3.6.1.4.1.8072.3")
	for _, tt := range []struct {
		name              string
		generic, specific int32
		want              string
	}{
		{"ColdStart", 0, 0, ".1.3.6.1.6.3.1.1.5.1"},
		{"LinkUp", 3, 0, ".1.3.6.1.6.3.1.1.5.4"},
		{"EnterpriseSpecific", 6, 17, ".1.3.6.1.4.1.8072.3.0.17"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := mustEncode(t, &Message{Version: V1, Community: []byte("public"), PDU: PDU{Verb: mib.VerbTrapV1,
				Trap: TrapV1{Enterprise: enterprise, Agent: loopback(), Generic: tt.generic, Specific: tt.specific, Uptime: 7}}})
			if err := s.Write(b, l.Addr()); err != nil {
				t.Fatal(err)
			}
			if x := <-got; x.TrapOID.String() != tt.want || x.Uptime != 7 || x.Community != "old" {
				t.Errorf("got %+v", x)
			}
		})
	}
}

func TestListenerCountsDrops(t *testing.T) {
	l, got := startListener(t, always)
	s := mustOpen(t, "127.0.0.1:0")
	good := Message{Version: V2c, Community: []byte("public"), PDU: PDU{Verb: mib.VerbTrap, Vars: []mib.Variable{
		{Name: sysUpTime(), Value: mib.Ticks(1)}, {Name: trapOID(), Value: mib.ObjectID(joined())}}}}
	unknown, headless, request := good, good, good
	unknown.Community = []byte("private")
	headless.Vars = headless.Vars[1:]
	request.Verb = mib.VerbGet
	whole := mustEncode(t, &good)
	for _, b := range [][]byte{
		[]byte("garbage"), whole[:len(whole)-1], mustEncode(t, &unknown), mustEncode(t, &headless),
		mustEncode(t, &request), mustHex(t, "30 05 02 01 03 30 00"), whole,
	} {
		if err := s.Write(b, l.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	<-got // the last
	want := ListenerStats{Received: 7, BadVersions: 1, BadCommunity: 1, Malformed: 4}
	st := l.Stats()
	st.Accepted = 0 // counted after it is passed on
	if st != want {
		t.Errorf("got %+v, not %+v", st, want)
	}
}
