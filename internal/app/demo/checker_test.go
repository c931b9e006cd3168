package demo

import (
	"net/netip"
	"testing"
	"time"

	"simone/agent"
	"simone/mib"
)

var (
	began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ilmA  = netip.MustParseAddr("127.16.0.2")
	ilmB  = netip.MustParseAddr("127.16.0.3")
)

func second(n float64) time.Time { return began.Add(time.Duration(n * float64(time.Second))) }

// polled is a node that a asks at the seconds 1..n, all of them held.
func polled(n int, by netip.Addr) *history {
	h := &history{node: 7}
	for i := 1; i <= n; i++ {
		h.asks = append(h.asks, ask{by, second(float64(i))})
		h.held = append(h.held, held{uint32(i), second(float64(i) + 0.002), by})
	}
	return h
}

func TestJudge(t *testing.T) {
	dead := map[netip.Addr]time.Time{ilmA: second(5.5)}
	tests := []struct {
		name   string
		break_ func(*history)
		killed map[netip.Addr]time.Time
		want   findings
	}{
		{name: "all well", want: findings{Polls: 10, Coverage: 1}},
		{name: "a sample that was asked for is not held", want: findings{Polls: 10, Coverage: 1, Lost: 1},
			break_: func(h *history) { h.held = append(h.held[:4], h.held[5:]...) }},
		{name: "slots in order hide that time has passed", want: findings{Polls: 8, Coverage: 1, Lost: 2, Uncovered: 2 * time.Second},
			break_: func(h *history) {
				h.held = append(h.held[:4], h.held[6:]...)
				h.asks = append(h.asks[:4], h.asks[6:]...)
				for i := range h.held {
					h.held[i].slot = uint32(i + 1)
				}
			}},
		{name: "a slot is held twice", want: findings{Polls: 10, Coverage: 1, Duplicated: 1},
			break_: func(h *history) { h.held = append(h.held, h.held[3]) }},
		{name: "held, but never asked for by that manager", want: findings{Polls: 10, Coverage: 1, Unproven: 1},
			break_: func(h *history) { h.held[3].by = ilmB }},
		{name: "two ask side by side", want: findings{Polls: 14, Coverage: 1, DoublePolled: 3 * time.Second},
			break_: func(h *history) {
				for i := 4; i <= 7; i++ {
					h.asks = append(h.asks, ask{ilmB, second(float64(i) + 0.3)})
				}
			}},
		{name: "the end is not covered", want: findings{Polls: 4, Coverage: 0, Uncovered: 5500 * time.Millisecond},
			break_: func(h *history) { h.asks, h.held = h.asks[:4], h.held[:4] }},
		{name: "a failover's hole is not a planned move's", killed: dead,
			want: findings{Polls: 8, Coverage: 1, FailoverGap: 2, Uncovered: 2 * time.Second},
			break_: func(h *history) {
				h.asks, h.held = append(h.asks[:5], h.asks[7:]...), append(h.held[:5], h.held[7:]...)
				for i := 5; i < len(h.asks); i++ {
					h.asks[i].by, h.held[i].by = ilmB, ilmB
				}
			}},
		{name: "a hole long before the kill is lost", killed: dead, want: findings{Polls: 10, Coverage: 1, Lost: 1},
			break_: func(h *history) { h.held = append(h.held[:1], h.held[2:]...) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := polled(10, ilmA)
			if tt.break_ != nil {
				tt.break_(h)
			}
			if got := judge([]*history{h}, time.Second, tt.killed, second(10.5)); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestOnlyPollsCount(t *testing.T) {
	r := agent.NewRing(10)
	from := netip.AddrPortFrom(ilmA, 40000)
	own := mib.MetricInstance(0, 17, 0)
	r.Record(from, mib.VerbGet, own, second(1))
	r.Record(from, mib.VerbGet, mib.Instance(mib.SimoneIlmFence), second(1.2)) // a probe
	r.Record(from, mib.VerbSet, mib.Instance(mib.SimoneNodeEpoch), second(1.3))
	r.Record(from, mib.VerbGet, mib.MetricInstance(9, 17, 0), second(1.4)) // somebody looks at a child of it
	var h history
	h.look(r)
	if len(h.asks) != 1 || h.asks[0] != (ask{ilmA, second(1)}) {
		t.Errorf("asks %v; want the one poll", h.asks)
	}
}
