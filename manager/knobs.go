package manager

import (
	"fmt"
	"time"

	"simone/mib"
	"simone/reconfig"
	"simone/temperature"
)

// Knob is one of an engine's settings as an object of the MIB.
type Knob struct {
	Object mib.OID
	Read   func(*reconfig.Settings) mib.Value
	// Write takes a value that fits the object's syntax.
	Write func(*reconfig.Settings, mib.Value) error
}

// Knobs lists the settings that can be SET: those of simoneReconfig, and the
// pace, which a Host shows in simoneIlm.
func Knobs() []Knob {
	knobs := ruleKnobs()
	return append(knobs,
		countKnob(mib.SimoneReconfigIlmsMin, func(s *reconfig.Settings) *int { return &s.MinILMs }),
		countKnob(mib.SimoneReconfigIlmsMax, func(s *reconfig.Settings) *int { return &s.MaxILMs }),
		millisKnob(mib.SimoneIlmTriggerInterval, func(s *reconfig.Settings) *time.Duration { return &s.Trigger }),
		millisKnob(mib.SimoneIlmPollInterval, func(s *reconfig.Settings) *time.Duration { return &s.Interval }),
	)
}

// ruleKnobs are the knobs of reconfig.Rules.
func ruleKnobs() []Knob {
	return []Knob{
		decimalKnob(mib.SimoneThresholdMerge, func(s *reconfig.Settings) *float64 { return &s.Thresholds.Merge }),
		decimalKnob(mib.SimoneThresholdSplit, func(s *reconfig.Settings) *float64 { return &s.Thresholds.Split }),
		decimalKnob(mib.SimoneThresholdMigrate, func(s *reconfig.Settings) *float64 { return &s.Thresholds.Migrate }),
		{mib.SimonePolicy,
			func(s *reconfig.Settings) mib.Value { return mib.Text(s.Policy) },
			func(s *reconfig.Settings, v mib.Value) error {
				s.Policy = string(v.Bytes)
				_, err := reconfig.PolicyByName(s.Policy)
				return err
			},
		},
		{mib.SimoneReconfigMode,
			func(s *reconfig.Settings) mib.Value {
				if s.Automatic {
					return mib.Integer(int32(mib.ReconfigAutomatic))
				}
				return mib.Integer(int32(mib.ReconfigFixed))
			},
			func(s *reconfig.Settings, v mib.Value) error {
				s.Automatic = mib.ReconfigMode(v.Int) == mib.ReconfigAutomatic
				return nil
			},
		},
		{mib.SimoneReconfigChurn,
			func(s *reconfig.Settings) mib.Value { return mib.Unsigned(max(int(s.Churn*100+0.5), 1)) },
			func(s *reconfig.Settings, v mib.Value) error { s.Churn = float64(v.Uint) / 100; return nil },
		},
		countKnob(mib.SimoneReconfigMovesPerHour, func(s *reconfig.Settings) *int { return &s.MovesPerHour }),
		truthKnob(mib.SimoneReconfigColdest, func(s *reconfig.Settings) *bool { return &s.MigrateToColdest }),
		truthKnob(mib.SimoneReconfigWeighted, func(s *reconfig.Settings) *bool { return &s.Weighted }),
		millisKnob(mib.SimoneReconfigProbeInterval, func(s *reconfig.Settings) *time.Duration { return &s.Probe }),
		countKnob(mib.SimoneReconfigProbeMisses, func(s *reconfig.Settings) *int { return &s.Misses }),
		{mib.SimoneReconfigHistory,
			func(s *reconfig.Settings) mib.Value { return mib.Text(s.History) },
			func(s *reconfig.Settings, v mib.Value) error {
				weights, err := parseHistory(string(v.Bytes))
				if err == nil && len(weights) > 0 {
					err = temperature.CheckWeights(weights)
				}
				s.History = FormatHistory(weights)
				return err
			},
		},
	}
}

func decimalKnob(object mib.OID, field func(*reconfig.Settings) *float64) Knob {
	return Knob{object,
		func(s *reconfig.Settings) mib.Value { return mib.Decimal(*field(s)) },
		func(s *reconfig.Settings, v mib.Value) error {
			f, err := mib.ParseDecimal(v)
			if err == nil && f < 0 {
				err = fmt.Errorf("%g is negative; write 0 or more", f)
			}
			*field(s) = f
			return err
		},
	}
}

func truthKnob(object mib.OID, field func(*reconfig.Settings) *bool) Knob {
	return Knob{object,
		func(s *reconfig.Settings) mib.Value { return mib.Truth(*field(s)) },
		func(s *reconfig.Settings, v mib.Value) error { *field(s) = mib.IsTrue(v); return nil },
	}
}

func countKnob(object mib.OID, field func(*reconfig.Settings) *int) Knob {
	return Knob{object,
		func(s *reconfig.Settings) mib.Value { return mib.Unsigned(*field(s)) },
		func(s *reconfig.Settings, v mib.Value) error { *field(s) = int(v.Uint); return nil },
	}
}

func millisKnob(object mib.OID, field func(*reconfig.Settings) *time.Duration) Knob {
	return Knob{object,
		func(s *reconfig.Settings) mib.Value { return mib.Millis(*field(s)) },
		func(s *reconfig.Settings, v mib.Value) error {
			*field(s) = time.Duration(v.Uint) * time.Millisecond
			return nil
		},
	}
}

// Name is what a knob is called in the store.
func (k *Knob) Name() string { return mib.NameOf(k.Object) }

// Text is a knob's value as it is typed.
func (k *Knob) Text(s *reconfig.Settings) string {
	v := k.Read(s)
	if o, ok := mib.ObjectByOID(k.Object); ok {
		return o.Syntax.Format(v)
	}
	return v.String()
}
