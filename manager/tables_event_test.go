package manager

import (
	"slices"
	"strings"
	"testing"

	"simone/reconfig"
)

func TestSentence(t *testing.T) {
	for _, tt := range []struct {
		entry reconfig.Entry
		want  string
	}{
		{reconfig.Entry{Kind: reconfig.KindPause, Node: 1}, "pause: node 1"},
		{reconfig.Entry{Kind: reconfig.KindLost, Node: 2, Nodes: 7, Seen: "3 probes unanswered"}, "lost: node 2 with 7 nodes (seen: 3 probes unanswered)"},
		{reconfig.Entry{Kind: reconfig.KindAssign, Nodes: 1, To: 4}, "assign: 1 node to 4"},
		{reconfig.Entry{Kind: reconfig.KindSplit, Nodes: 12, From: 4, To: 7, Seen: "T 21", Expected: "half", Outcome: "T 9"},
			"split: 12 nodes from 4 to 7 (seen: T 21; expected: half; outcome: T 9)"},
		{reconfig.Entry{Kind: reconfig.KindRound}, "round"},
	} {
		if got := Sentence(tt.entry); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestAnEventStaysWithinItsText(t *testing.T) {
	long := strings.Repeat("ä", 1000)
	if v := text(long); len(v.Bytes) > maxText || !slices.Equal(v.Bytes, []byte(long[:len(v.Bytes)])) || len(v.Bytes)%2 != 0 {
		t.Errorf("%d octets, want at most %d and whole characters", len(v.Bytes), maxText)
	}
}
