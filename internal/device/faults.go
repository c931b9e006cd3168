package device

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Faults are what is wrong with a device; with the zero value nothing is.
// Shares are from 0 (never) to 1 (always).
type Faults struct {
	// Delay is how long an answer takes, give or take up to Jitter.
	Delay  time.Duration
	Jitter time.Duration
	// Loss is the share of requests that are not answered, Duplicate that of
	// answers that come twice, and Garbage that of answers before which comes
	// a datagram that is none: noise, or an answer that was cut or changed.
	Loss      float64
	Duplicate float64
	Garbage   float64
	// TooBig is how many variables an answer may have; one that would have
	// more is tooBig, as with devices that never heard that a GETBULK may be
	// answered in part. 0 is no limit.
	TooBig int
	// Seed makes all that is left to chance the same again.
	Seed uint64
}

// Validate says what is wrong with the faults themselves.
func (f *Faults) Validate() error {
	var problems []error
	for _, share := range []struct {
		name  string
		value float64
	}{{"loss", f.Loss}, {"duplicate", f.Duplicate}, {"garbage", f.Garbage}} {
		if !(share.value >= 0 && share.value <= 1) { // nor NaN
			problems = append(problems, fmt.Errorf("%s %v is no share from 0 to 1", share.name, share.value))
		}
	}
	if f.Delay < 0 || f.Jitter < 0 || f.Jitter > f.Delay {
		problems = append(problems, fmt.Errorf("delay %v with jitter %v; neither is negative, and the jitter is at most the delay", f.Delay, f.Jitter))
	}
	if f.TooBig < 0 {
		problems = append(problems, fmt.Errorf("tooBig above %d variables", f.TooBig))
	}
	return errors.Join(problems...)
}

// chance rolls the dice for the faults. One goroutine uses it.
type chance struct {
	Faults
	dice *rand.Rand
}

func newChance(f Faults) *chance {
	return &chance{f, rand.New(rand.NewPCG(f.Seed, 0x5eed))}
}

func (c *chance) happens(share float64) bool { return share > 0 && c.dice.Float64() < share }

// wait is how long the next answer takes.
func (c *chance) wait() time.Duration {
	if c.Jitter == 0 {
		return c.Delay
	}
	return c.Delay - c.Jitter + time.Duration(c.dice.Int64N(int64(2*c.Jitter)+1))
}

// spoil makes garbage of a datagram: cut off somewhere, one octet changed, or
// noise instead.
func (c *chance) spoil(b []byte) []byte {
	b = append([]byte(nil), b...)
	switch c.dice.IntN(3) {
	case 0:
		return b[:c.dice.IntN(len(b))]
	case 1:
		b[c.dice.IntN(len(b))] ^= byte(1 + c.dice.IntN(255))
		return b
	}
	for i := range b {
		b[i] = byte(c.dice.Uint32())
	}
	return b
}
