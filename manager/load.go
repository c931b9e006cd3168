package manager

import (
	"time"

	"simone/reconfig"
)

// loadMeter measures what its children cost a manager: the time in which its
// engine is busy with them, writes to the store included. Nothing else can be
// done for them meanwhile. Its zero value has measured nothing.
type loadMeter struct {
	since            time.Time // 0: not begun
	serving, storing time.Duration
}

// add takes note of a step.
func (m *loadMeter) add(ev reconfig.Event, took time.Duration) {
	if _, samples := ev.(reconfig.LogRead); samples {
		m.storing += took
	} else {
		m.serving += took
	}
}

// close gives the load since the last call, and begins anew; false if there
// was none before.
func (m *loadMeter) close(now time.Time) (reconfig.Load, bool) {
	old := *m
	*m = loadMeter{since: now}
	length := now.Sub(old.since)
	if old.since.IsZero() || length <= 0 {
		return reconfig.Load{}, false
	}
	return reconfig.Load{
		Serving: old.serving.Seconds() / length.Seconds(), Storing: old.storing.Seconds() / length.Seconds(),
	}, true
}
