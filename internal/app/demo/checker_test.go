package demo

import (
	"cmp"
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
	ilmC  = netip.MustParseAddr("127.16.0.4")
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

// cut takes what was asked for and held at the seconds from to until out of h.
func (h *history) cut(from, until int) {
	h.unhold(from, until)
	h.asks = append(h.asks[:from-1], h.asks[until:]...)
}

// unhold takes the samples of the seconds from to until out of h.
func (h *history) unhold(from, until int) { h.held = append(h.held[:from-1], h.held[until:]...) }

// hand gives what comes after a second to another manager.
func (h *history) hand(after float64, to netip.Addr) {
	for i := range h.asks {
		if h.asks[i].at.After(second(after)) {
			h.asks[i].by = to
		}
	}
	for i := range h.held {
		if h.held[i].at.After(second(after)) {
			h.held[i].by = to
		}
	}
}

// also has another manager ask at some seconds.
func (h *history) also(by netip.Addr, seconds ...float64) {
	for _, n := range seconds {
		h.asks = append(h.asks, ask{by, second(n)})
	}
}

func TestJudge(t *testing.T) {
	killedAt := func(n float64) map[netip.Addr]time.Time { return map[netip.Addr]time.Time{ilmA: second(n)} }
	tests := []struct {
		name   string
		break_ func(*history)
		killed map[netip.Addr]time.Time
		stalls []stall
		want   findings // Polls and Coverage are 10 and 1 unless given
	}{
		{name: "all well"},
		{name: "planned move", break_: func(h *history) { h.hand(5.5, ilmB) }},
		{name: "planned move, both ask for a while", want: findings{Polls: 12, DoublePolled: time.Second},
			break_: func(h *history) { h.hand(5.5, ilmB); h.also(ilmB, 4, 5) }},

		{name: "a slot is missing at a planned move, not asked for", want: findings{Polls: 9, Lost: 1, Uncovered: time.Second},
			break_: func(h *history) { h.hand(5.5, ilmB); h.cut(6, 6) }},
		{name: "a slot is missing at a planned move, asked for by the new manager", want: findings{Lost: 1},
			break_: func(h *history) { h.hand(5.5, ilmB); h.unhold(6, 6) }},
		{name: "a slot is missing at a planned move, asked for by the old manager", want: findings{Lost: 1},
			break_: func(h *history) { h.hand(5.5, ilmB); h.unhold(5, 5) }},
		{name: "a slot is missing in a move that was given up", want: findings{Polls: 11, Lost: 1},
			break_: func(h *history) { h.unhold(5, 5); h.also(ilmB, 5.1) }},
		{name: "many slots are missing at a planned move", want: findings{Polls: 6, Lost: 4, Uncovered: 4 * time.Second},
			break_: func(h *history) { h.hand(3.5, ilmB); h.cut(4, 7) }},
		{name: "slots in order hide that time has passed at a move", want: findings{Polls: 8, Lost: 2, Uncovered: 2 * time.Second},
			break_: func(h *history) {
				h.hand(5.5, ilmB)
				h.cut(5, 6)
				for i := range h.held {
					h.held[i].slot = uint32(i + 1)
				}
			}},

		{name: "a slot is missing, asked for, of one manager", want: findings{Missed: 1},
			break_: func(h *history) { h.unhold(5, 5) }},
		{name: "a slot is missing, not asked for, of one manager", want: findings{Polls: 9, Missed: 1, Uncovered: time.Second},
			break_: func(h *history) { h.cut(5, 5) }},
		{name: "a slot is missing well after a move", want: findings{Missed: 1},
			break_: func(h *history) { h.hand(3.5, ilmB); h.unhold(6, 6) }},
		{name: "slots in order hide that time has passed", want: findings{Polls: 8, Missed: 2, Uncovered: 2 * time.Second},
			break_: func(h *history) {
				h.cut(5, 6)
				for i := range h.held {
					h.held[i].slot = uint32(i + 1)
				}
			}},
		{name: "an answer that is late fills its slot", want: findings{Uncovered: 700 * time.Millisecond},
			break_: func(h *history) { h.asks[4].at, h.held[4].at = second(5.7), second(5.9) }},

		{name: "a slot is missing at a planned move while nothing ran", stalls: []stall{{second(5.9), second(6.8)}},
			want:   findings{Polls: 9, Missed: 1, Uncovered: time.Second, Stalled: 900 * time.Millisecond},
			break_: func(h *history) { h.hand(5.5, ilmB); h.cut(6, 6) }},
		{name: "a slot is missing at a planned move well after nothing ran", stalls: []stall{{second(4.25), second(4.75)}},
			want:   findings{Polls: 9, Lost: 1, Uncovered: time.Second, Stalled: 500 * time.Millisecond},
			break_: func(h *history) { h.hand(5.5, ilmB); h.cut(6, 6) }},
		{name: "of the slots missing at a planned move some while nothing ran", stalls: []stall{{second(4.25), second(4.75)}},
			want:   findings{Polls: 6, Lost: 2, Missed: 2, Uncovered: 4 * time.Second, Stalled: 500 * time.Millisecond},
			break_: func(h *history) { h.hand(3.5, ilmB); h.cut(4, 7) }},

		{name: "a slot is held twice", want: findings{Duplicated: 1},
			break_: func(h *history) { h.held = append(h.held, h.held[3]) }},
		{name: "a slot is held twice, of two managers", want: findings{Polls: 11, Duplicated: 1},
			break_: func(h *history) {
				h.also(ilmB, 4.2)
				h.held = append(h.held, held{4, second(4.3), ilmB})
			}},
		{name: "held, but never asked for by that manager", want: findings{Unproven: 1},
			break_: func(h *history) { h.held[3].by = ilmB }},
		{name: "held, but asked for once less", want: findings{Polls: 9, Unproven: 1, Uncovered: time.Second},
			break_: func(h *history) { h.asks = append(h.asks[:4], h.asks[5:]...) }},
		{name: "held before it was asked for", want: findings{Polls: 11, Unproven: 1},
			break_: func(h *history) { h.held[3].by = ilmB; h.also(ilmB, 4.5) }},
		{name: "two ask side by side", want: findings{Polls: 14, DoublePolled: 3 * time.Second},
			break_: func(h *history) { h.also(ilmB, 4.3, 5.3, 6.3, 7.3) }},
		{name: "the end is not covered", want: findings{Polls: 4, Coverage: -1, Uncovered: 5500 * time.Millisecond},
			break_: func(h *history) { h.cut(5, 10) }},

		{name: "a failover's hole is not a planned move's", killed: killedAt(5.5),
			want:   findings{Polls: 8, FailoverGap: 2, Uncovered: 2 * time.Second},
			break_: func(h *history) { h.hand(5.5, ilmB); h.cut(6, 7) }},
		{name: "what the killed had asked and nobody has read", killed: killedAt(5.5),
			want: findings{Polls: 8, FailoverGap: 4, Uncovered: 2 * time.Second},
			break_: func(h *history) {
				h.hand(5.5, ilmB)
				h.unhold(4, 5)
				h.asks = append(h.asks[:5], h.asks[7:]...)
				h.unhold(4, 5)
			}},
		{name: "killed just after it took the node over", killed: killedAt(5.5),
			want: findings{Polls: 9, FailoverGap: 3, Uncovered: 2 * time.Second},
			break_: func(h *history) { // B, then A from 5 on, killed, then B
				h.cut(6, 7)
				h.hand(0, ilmB)
				h.asks[4].by = ilmA
				h.unhold(5, 5)
				h.also(ilmA, 4)
			}},
		{name: "killed when the manager before it had just let go", killed: killedAt(5.5),
			want:   findings{Polls: 9, FailoverGap: 2, Uncovered: 1900 * time.Millisecond},
			break_: func(h *history) { h.hand(5.5, ilmB); h.cut(6, 7); h.also(ilmB, 5.1) }},
		{name: "a hole at the kill of another manager is lost", killed: map[netip.Addr]time.Time{ilmC: second(5.5)},
			want:   findings{Polls: 9, Lost: 1, Uncovered: time.Second},
			break_: func(h *history) { h.hand(5.5, ilmB); h.cut(6, 6) }},
		{name: "a hole long before the kill, at a move, is lost", killed: killedAt(9.5),
			want:   findings{Polls: 9, Lost: 1, Uncovered: time.Second},
			break_: func(h *history) { h.hand(4.5, ilmB); h.cut(5, 5) }},
		{name: "a hole long before the kill, of one manager, is missed", killed: killedAt(5.5), want: findings{Missed: 1},
			break_: func(h *history) { h.unhold(2, 2) }},
		{name: "what is missing after the next manager had asked is lost", killed: killedAt(5.5),
			want:   findings{Polls: 9, Lost: 1, FailoverGap: 1, Uncovered: time.Second},
			break_: func(h *history) { h.hand(5.5, ilmB); h.cut(6, 6); h.unhold(6, 6) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := polled(10, ilmA)
			if tt.break_ != nil {
				tt.break_(h)
			}
			want := tt.want
			want.Polls, want.Coverage = cmp.Or(want.Polls, 10), max(cmp.Or(want.Coverage, 1), 0)
			if got := judge([]*history{h}, course{time.Second, tt.killed, tt.stalls, second(10.5)}); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
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
