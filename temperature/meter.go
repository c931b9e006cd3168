package temperature

import (
	"fmt"
	"time"
)

// DefaultSTU is the simulator's unit of time as live managers count it, so
// that the paper's thresholds can be typed as printed (DESIGN section 2).
const DefaultSTU = time.Millisecond

// Observation is what a manager saw in the trigger window that just ended.
type Observation struct {
	Completed   uint64        // monitoring jobs that left the node
	Latency     time.Duration // their mean node latency
	Outstanding int           // jobs that entered and have not left
	Oldest      time.Duration // age of the oldest outstanding job
	Leaves      int           // rows in the support list
	Intrusion   float64       // percent
	Utilisation float64       // percent
	Backlog     float64       // polls
}

// Meter makes temperatures from observations. Create it with NewMeter; it is
// not safe for concurrent use.
type Meter struct {
	Formula Formula  // may be replaced between windows
	History *History // may be reweighed between windows
	stu     time.Duration
}

// NewMeter makes a meter. One stu is the length of a latency of 1.
func NewMeter(f Formula, weights []float64, stu time.Duration) (*Meter, error) {
	h, err := NewHistory(weights)
	if err != nil {
		return nil, err
	}
	m := &Meter{Formula: f, History: h}
	if err := m.SetSTU(stu); err != nil {
		return nil, err
	}
	return m, nil
}

// SetSTU changes the unit of latency.
func (m *Meter) SetSTU(stu time.Duration) error {
	if stu <= 0 {
		return fmt.Errorf("stu is %v; write a positive time, for example 1ms", stu)
	}
	m.stu = stu
	return nil
}

// STU is the unit of latency.
func (m *Meter) STU() time.Duration { return m.stu }

// Close ends a trigger window and gives its temperature, which from then on
// is History.Current. The rule is that of SIM.md: the temperature of the jobs
// that left; if none left but some are outstanding, the previous temperature
// or, if higher, the one that the age of the oldest gives; without leaves 0;
// else the previous temperature. Where the formula gives no number the
// previous temperature stands and the error says why.
func (m *Meter) Close(o Observation) (float64, error) {
	t := m.History.Current()
	var err error
	switch {
	case o.Completed > 0:
		var now float64
		if now, err = m.at(o, o.Latency); err == nil {
			t = now
		}
	case o.Outstanding > 0:
		var now float64
		if now, err = m.at(o, o.Oldest); err == nil {
			t = max(t, now)
		}
	case o.Leaves == 0:
		t = 0
	}
	m.History.Add(t)
	return t, err
}

func (m *Meter) at(o Observation, latency time.Duration) (float64, error) {
	return m.Formula.Temperature(Inputs{
		I: o.Intrusion,
		L: float64(latency) / float64(m.stu),
		U: o.Utilisation,
		B: o.Backlog,
	})
}
