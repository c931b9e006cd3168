package config

import (
	"math"
	"time"
)

// Courtesy is how a manager polls: how much it asks of one address, and of all
// together.
type Courtesy struct {
	// Outstanding is how many polls of one address are on their way at a time,
	// 1 to 64; targets behind one address share it.
	Outstanding int `yaml:"outstanding"`
	// Rate is how many polls of one address leave in a second, 0.01 to 10000;
	// 0 is as many as there are.
	Rate float64 `yaml:"rate"`
	// Rest is how long an address that does not answer is left alone at most,
	// 100ms to 1h: from the second poll in a row that is not answered on, a
	// time-out long, and each time twice as long.
	Rest Duration `yaml:"rest"`
	// Window is how many polls are on their way at a time, to all addresses, 1
	// to 65536. One that is not answered as soon as others are no longer counts.
	Window int `yaml:"window"`
}

func defaultCourtesy() Courtesy {
	return Courtesy{Outstanding: 1, Rest: Duration(5 * time.Second), Window: 256}
}

// Gap is the time between two polls of one address that Rate stands for; 0 if
// that is not limited.
func (c *Courtesy) Gap() time.Duration {
	if c.Rate == 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / c.Rate)
}

func (c *Courtesy) problems() (ps Problems) {
	checkInt(&ps, "outstanding", c.Outstanding, 1, 64)
	if c.Rate != 0 && !(c.Rate >= 0.01 && c.Rate <= 10_000) || math.IsNaN(c.Rate) {
		ps.add("rate", "%v polls of one address a second are out of range; write a number from 0.01 to 10000, or 0 for no limit", c.Rate)
	}
	checkDuration(&ps, "rest", c.Rest, 100*time.Millisecond, time.Hour)
	checkInt(&ps, "window", c.Window, 1, 65536)
	return ps
}
