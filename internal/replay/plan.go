package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"simone/sim"
	"simone/sim/scenario"
)

// Plan is what was recorded beside what would have been.
type Plan struct {
	Recorded Figures `json:"recorded"`
	Replayed Figures `json:"replayed"` // under the settings of then: how far the model is to be believed
	WhatIf   Figures `json:"what_if"`
}

// Play runs the scene under its own settings and under others.
func (s *Scene) Play(ctx context.Context, other scenario.Parameters) (*Plan, error) {
	base, err := sim.Replay(ctx, &s.Base, &s.Script)
	if err != nil {
		return nil, err
	}
	what := base
	if !same(&other, &s.Base) {
		if what, err = sim.Replay(ctx, &other, &s.Script); err != nil {
			return nil, err
		}
	}
	limit := base.G // the hot zone of all three begins at the same temperature
	p := &Plan{Recorded: s.Recorded, Replayed: figures(base, limit), WhatIf: figures(what, limit)}
	hot := 0
	for _, t := range s.temps {
		if t > sim.HotFactor*limit {
			hot++
		}
	}
	p.Recorded.HotPercent = Figure(100 * float64(hot) / float64(len(s.temps)))
	return p, nil
}

func same(a, b *scenario.Parameters) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func figures(r *sim.Run, limit float64) Figures {
	hot, _ := r.Hot(limit)
	f := Figures{
		G: Figure(r.G), P95: Figure(r.P95), HotPercent: Figure(100 * hot), MovesPerHour: Figure(r.MovesPerHour), ILMs: Figure(r.ILMs),
		Skipped: Figure(r.Skipped), PerHour: make(map[string]Figure),
	}
	for kind, n := range r.PerHour {
		f.PerHour[kind.String()] = Figure(n)
	}
	return f
}

// knob is a setting by the name that it has in the TLM's configuration.
type knob struct {
	about string
	set   func(s *Scene, p *scenario.Parameters, value string) error
}

// knobs are the settings of a TLM that can be asked about. All others are the
// simulator's own keys.
func knobs() map[string]knob {
	span := func(to func(*scenario.Parameters) *float64) func(*Scene, *scenario.Parameters, string) error {
		return func(s *Scene, p *scenario.Parameters, value string) error {
			d, err := time.ParseDuration(value)
			if err != nil || d <= 0 {
				return fmt.Errorf("%q is no time: write for example 10s", value)
			}
			*to(p) = s.units(d)
			return nil
		}
	}
	number := func(to func(*scenario.Parameters) *float64) func(*Scene, *scenario.Parameters, string) error {
		return func(_ *Scene, p *scenario.Parameters, value string) error {
			x, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return fmt.Errorf("%q is no number", value)
			}
			*to(p) = x
			return nil
		}
	}
	return map[string]knob{
		"policy": {"balance, paper, static or another one of simonectl sim policies", setPolicy},
		"thresholds": {"merge-split-migrate in stu, as 0.1-17.5-500", func(_ *Scene, p *scenario.Parameters, value string) error {
			return p.Thresholds.UnmarshalText([]byte(value))
		}},
		"merge":          {"stu", number(func(p *scenario.Parameters) *float64 { return &p.Thresholds.Merge })},
		"split":          {"stu", number(func(p *scenario.Parameters) *float64 { return &p.Thresholds.Split })},
		"migrate":        {"stu", number(func(p *scenario.Parameters) *float64 { return &p.Thresholds.Migrate })},
		"trigger":        {"a time, as 10s", span(func(p *scenario.Parameters) *float64 { return &p.Trigger })},
		"poll":           {"a time, as 10s", span(func(p *scenario.Parameters) *float64 { return &p.Poll })},
		"moves_per_hour": {"nodes that a policy may move in an hour, 0: as the policy has it", number(func(p *scenario.Parameters) *float64 { return &p.Budget })},
		"churn":          {"the share of the nodes that a round may move, as 0.1", number(func(p *scenario.Parameters) *float64 { return &p.Churn })},
	}
}

// setPolicy also says how moves are made: as live where the daemons have the
// policy, else at once.
func setPolicy(_ *Scene, p *scenario.Parameters, value string) error {
	if _, err := sim.PolicyByName(value); err != nil {
		return err
	}
	p.Policy, p.Enact = value, "atomic"
	if sim.Staged(value) {
		p.Enact = "staged"
	}
	return nil
}

// Knobs lists the settings that WhatIf knows, with what they take.
func Knobs() []string {
	all := knobs()
	list := slices.Sorted(maps.Keys(all))
	for i, name := range list {
		list[i] = name + " (" + all[name].about + ")"
	}
	return list
}

// WhatIf is the scene's scenario with other settings, each key=value.
func (s *Scene) WhatIf(settings []string) (scenario.Parameters, error) {
	p := s.Base
	for _, setting := range settings {
		key, value, ok := strings.Cut(setting, "=")
		if !ok {
			return p, fmt.Errorf("%q is not key=value", setting)
		}
		var err error
		if k, known := knobs()[key]; known {
			err = k.set(s, &p, value)
		} else {
			err = setKey(&p, key, value)
		}
		if err != nil {
			return p, fmt.Errorf("%s: %w", key, err)
		}
	}
	if err := p.Validate(); err != nil {
		return p, err
	}
	return p, nil
}

// setKey sets a key of the simulator.
func setKey(p *scenario.Parameters, key, value string) error {
	text := strconv.Quote(value)
	if _, err := strconv.ParseFloat(value, 64); err == nil || value == "true" || value == "false" {
		text = value
	}
	d := json.NewDecoder(strings.NewReader("{" + strconv.Quote(key) + ":" + text + "}"))
	d.DisallowUnknownFields()
	if err := d.Decode(p); err != nil {
		if strings.Contains(err.Error(), "unknown field") {
			return fmt.Errorf("there is no such setting: write %s, or a key of configs/sim/ncs-h.yaml", strings.Join(slices.Sorted(maps.Keys(knobs())), ", "))
		}
		return fmt.Errorf("%q does not fit: %w", value, err)
	}
	return nil
}
