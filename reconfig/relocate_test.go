package reconfig

import (
	"strings"
	"testing"
)

// A move is made where it is worth its price, and says from where on that is.
func TestPriceOfAMoveIsSaid(t *testing.T) {
	for _, tc := range []struct {
		price float64
		says  string
		moves int
	}{
		{1, "", 1},
		{1.2, "(3 are asked for", 1},
		{2, "", 0},
	} {
		hot := ilm(1, 40, 10)
		hot.Host = HostLoad{Known: true, Load: 3}
		ts := Balance{}.React(View{
			Children: []ChildView{hot}, Hosts: []HostView{{ID: 20, HostLoad: HostLoad{Known: true}}},
			Budget: 100, Credit: 100, Price: tc.price, Thresholds: DefaultSettings().Thresholds,
		})
		if len(ts) != tc.moves {
			t.Errorf("price %v: %d moves to a machine that is four times as light", tc.price, len(ts))
			continue
		}
		if tc.moves > 0 && strings.Contains(ts[0].Seen, "asked for") != (tc.says != "") || tc.moves > 0 && !strings.Contains(ts[0].Seen, tc.says) {
			t.Errorf("price %v: seen %q", tc.price, ts[0].Seen)
		}
	}
}
