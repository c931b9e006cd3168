package manager

import (
	"testing"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// TestIntervalsOfRowsAndColumnsAgree: simoneIlmApply takes exactly what
// simoneSupportInterval takes, but for 0, which in the column is the ILM's own.
func TestIntervalsOfRowsAndColumnsAgree(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		ok       bool
	}{
		{reconfig.MinInterval - time.Millisecond, false}, {reconfig.MinInterval, true}, {time.Second, true},
		{reconfig.MaxInterval, true}, {reconfig.MaxInterval + time.Millisecond, false},
	} {
		b := newBench(t, nil)
		b.promote(t)
		r := row(20, 5)
		r.Interval = c.interval
		packed := b.tree.Set([]mib.Variable{fenceVar(b.fence()), applyVar(mib.Apply{Stage: []mib.SupportRow{r}})})
		b.stage(t, row(21, 5))
		column := b.tree.Set([]mib.Variable{fenceVar(b.fence()), cell(mib.SimoneSupportInterval, 21, mib.Millis(c.interval))})
		for way, e := range map[string]*mib.SetError{"simoneIlmApply": packed, "simoneSupportInterval": column} {
			if (e == nil) != c.ok || e != nil && e.Status != mib.WrongValue {
				t.Errorf("%v by %s: %v; want it accepted: %v, else wrongValue", c.interval, way, e, c.ok)
			}
		}
	}
}
