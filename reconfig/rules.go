package reconfig

import (
	"cmp"
	"encoding/binary"
	"math"
	"time"
)

// Rules are those of the Settings that are the same for all managers of a
// tree: each tells them to the ILMs below it, as it was told itself. The zero
// Rules say nothing.
type Rules struct {
	Policy       string
	Fixed        bool // no transformations of the policy's own accord
	Paused       bool // by an operator, at the top
	Thresholds   Thresholds
	ChurnPercent uint32
	Weighted     bool
	ToColdest    bool   // Settings.MigrateToColdest
	ProbeMillis  uint32 // between probes of a child
	Misses       uint32
	History      string // weights of the weighted temperature; empty: each ILM's own
	MovesPerHour uint32 // by each manager's policy; 0: as the policy has it
}

// Rules gives what the managers below are told of the settings.
func (s Settings) Rules() Rules {
	return Rules{
		Policy: s.Policy, Fixed: !s.Automatic, Paused: s.Paused, Thresholds: s.Thresholds,
		ChurnPercent: uint32(max(math.Round(100*s.Churn), 1)), Weighted: s.Weighted, ToColdest: s.MigrateToColdest,
		ProbeMillis: uint32(s.Probe.Milliseconds()), Misses: uint32(s.Misses), History: s.History,
		MovesPerHour: uint32(s.MovesPerHour),
	}
}

// Over gives settings in which the rules hold; those that say nothing change
// nothing.
func (r Rules) Over(s Settings) Settings {
	if r == (Rules{}) {
		return s
	}
	s.Policy, s.Automatic, s.Paused, s.Thresholds = r.Policy, !r.Fixed, r.Paused, r.Thresholds
	s.Churn, s.Weighted, s.MigrateToColdest = float64(r.ChurnPercent)/100, r.Weighted, r.ToColdest
	s.Probe, s.Misses, s.History = time.Duration(r.ProbeMillis)*time.Millisecond, int(r.Misses), r.History
	s.MovesPerHour = int(r.MovesPerHour)
	return s
}

// Of gives the settings of an ILM that was told these: the engine's, if there
// are to be ILMs below it or have been.
func (i IlmSettings) Of(active bool) Settings {
	s := i.Rules.Over(DefaultSettings())
	if i.TriggerMillis > 0 {
		s.Trigger = time.Duration(i.TriggerMillis) * time.Millisecond
	}
	if i.PollMillis > 0 {
		s.Interval = time.Duration(i.PollMillis) * time.Millisecond
	}
	s.MinILMs, s.StartILMs, s.MaxILMs = 0, 0, -1 // none: those there are hand back what they have
	if active && i.Levels > 0 {
		least := cmp.Or(int(i.Below), leastBelow)
		s.MinILMs, s.StartILMs, s.MaxILMs = least, least, 0
		s.Levels, s.Below, s.FanIn = int(i.Levels)-1, int(i.Below), int(i.FanIn)
	}
	return s
}

// leastBelow is how many ILMs one that is to have some has below itself at
// least; with one it would hand all on and be of no use.
const leastBelow = 2

// append packs the settings, for the sum of a control SET.
func (i IlmSettings) append(b []byte) []byte {
	for _, n := range []uint32{i.TriggerMillis, i.PollMillis, i.Levels, i.Below, i.Rules.ChurnPercent, i.Rules.ProbeMillis, i.Rules.Misses} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for _, f := range []float64{i.Rules.Thresholds.Merge, i.Rules.Thresholds.Split, i.Rules.Thresholds.Migrate} {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(f))
	}
	for _, is := range []bool{i.Rules.Fixed, i.Rules.Paused, i.Rules.Weighted, i.Rules.ToColdest} {
		if is {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	if i.FanIn > 0 {
		b = binary.BigEndian.AppendUint32(b, i.FanIn)
	}
	if i.Rules.MovesPerHour > 0 {
		b = append(binary.BigEndian.AppendUint32(b, i.Rules.MovesPerHour), 'm') // apart from FanIn
	}
	b = append(append(b, i.Rules.Policy...), 0)
	return append(append(b, i.Rules.History...), 0)
}
