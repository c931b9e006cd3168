package tlm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"simone/internal/config"
	"simone/manager"
	"simone/mib"
	"simone/reconfig"
)

// configured is what the configuration says of the engine's settings.
func configured(c *config.TLM) reconfig.Settings {
	s := reconfig.DefaultSettings()
	s.Policy = c.Policy
	s.Automatic = c.Mode == "automatic"
	s.Thresholds = reconfig.Thresholds{Merge: c.Thresholds.Merge, Split: c.Thresholds.Split, Migrate: c.Thresholds.Migrate}
	s.Trigger, s.Interval = time.Duration(c.Trigger), time.Duration(c.Poll)
	s.Probe, s.Misses = time.Duration(c.Probe.Interval), c.Probe.Misses
	s.MinILMs, s.StartILMs, s.MaxILMs = c.ILMs.Min, c.ILMs.Start, c.ILMs.Max
	s.MostLevels, s.FanIn = c.ILMs.Levels, c.ILMs.FanIn
	if c.ILMs.Below > 0 {
		s.Levels, s.Below = c.ILMs.Levels, c.ILMs.Below
	}
	s.MigrateToColdest = c.MigrateTarget == "coldest"
	s.Churn, s.MovesPerHour = c.Churn, c.MovesPerHour
	if h := manager.FormatHistory(c.Temperature.History); h != manager.FormatHistory(manager.DefaultTuning().History) {
		s.History = h
	}
	return s
}

// configuredTuning is what the configuration says of temperatures.
func configuredTuning(c *config.TLM) manager.Tuning {
	t := c.Temperature
	return manager.Tuning{
		WeightA: t.A, WeightB: t.B, Expression: t.Expression, History: slices.Clone(t.History), STU: time.Duration(t.STU),
	}
}

// kept is a setting that came by SET, as the store has it.
type kept struct {
	Value string
	// Configured is what the configuration said then. When it comes to say
	// something else, that holds.
	Configured string
}

// settings are the engine's settings and the temperature's, with where each
// comes from.
type settings struct {
	store Store
	log   *slog.Logger
	knobs []manager.Knob

	// mu guards the fields below; it is held during writes to the store, as
	// changes must not overtake each other.
	mu       sync.Mutex
	base     reconfig.Settings // as configured
	baseTune manager.Tuning    // as configured
	kept     map[string]kept
	now      reconfig.Settings
	tune     manager.Tuning
}

// tuningName is what the temperature's settings are called in the store: they
// bind each other, and are kept together.
const tuningName = "simoneTemperature"

// openSettings reads what the store kept and holds it against the
// configuration.
func openSettings(store Store, c *config.TLM, log *slog.Logger) (*settings, error) {
	raw, err := store.Settings()
	if err != nil {
		return nil, fmt.Errorf("load settings: %w", err)
	}
	s := &settings{store: store, log: log, knobs: manager.Knobs(), kept: make(map[string]kept)}
	for name, text := range raw {
		var k kept
		if err := json.Unmarshal([]byte(text), &k); err != nil {
			log.Warn("a kept setting cannot be read and is forgotten", "setting", name, "err", err)
			continue
		}
		s.kept[name] = k
	}
	next, err := s.merge(c)
	if err != nil {
		return nil, err
	}
	if err := s.forget(next); err != nil {
		return nil, err
	}
	s.take(next)
	return s, nil
}

// merged is what comes of a configuration and the kept settings.
type merged struct {
	base     reconfig.Settings
	baseTune manager.Tuning
	kept     map[string]kept
	now      reconfig.Settings
	tune     manager.Tuning
}

func (s *settings) take(m merged) {
	s.base, s.baseTune, s.kept, s.now, s.tune = m.base, m.baseTune, m.kept, m.now, m.tune
}

// merge lays the kept settings over a configuration: those whose key it has
// not changed since.
func (s *settings) merge(c *config.TLM) (merged, error) {
	m := merged{base: configured(c), baseTune: configuredTuning(c), kept: make(map[string]kept)}
	if err := m.base.Validate(); err != nil {
		return merged{}, err
	}
	m.now, m.tune = m.base, m.baseTune
	for i := range s.knobs {
		k := &s.knobs[i]
		saved, ok := s.kept[k.Name()]
		if !ok || saved.Configured != k.Text(&m.base) {
			continue
		}
		object, ok := mib.ObjectByOID(k.Object)
		if !ok {
			continue
		}
		v, err := object.Syntax.Parse(saved.Value)
		if err == nil {
			err = k.Write(&m.now, v)
		}
		if err != nil { // of another release, say
			s.log.Warn("a kept setting does not fit and is forgotten", "setting", k.Name(), "err", err)
			continue
		}
		m.kept[k.Name()] = saved
	}
	if err := m.now.Validate(); err != nil {
		// A threshold in the file, say, that was moved beyond a kept one.
		s.log.Warn("settings that were changed by SET do not go with the configuration and are forgotten", "err", err)
		m.now, m.kept = m.base, make(map[string]kept)
	}
	if saved, ok := s.kept[tuningName]; ok && saved.Configured == tuningText(m.baseTune) {
		var t manager.Tuning
		err := json.Unmarshal([]byte(saved.Value), &t)
		if err == nil {
			err = t.Validate()
		}
		if err != nil {
			s.log.Warn("a kept setting does not fit and is forgotten", "setting", tuningName, "err", err)
		} else {
			m.tune, m.kept[tuningName] = t, saved
		}
	}
	return m, nil
}

// forget takes out of the store what a merge did not keep.
func (s *settings) forget(m merged) error {
	var gone []string
	for name := range s.kept {
		if _, ok := m.kept[name]; !ok {
			gone = append(gone, name)
			s.log.Info("the configuration takes the place of a setting that was changed by SET", "setting", name)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	slices.Sort(gone)
	if err := s.store.SetSettings(nil, gone...); err != nil {
		return fmt.Errorf("forget settings: %w", err)
	}
	return nil
}

// tuningText is a tuning in a form that can be compared and read back.
func tuningText(t manager.Tuning) string {
	b, err := json.Marshal(t)
	if err != nil {
		return "" // not a number, which Validate refuses
	}
	return string(b)
}

// engine gives the engine's settings in force.
func (s *settings) engine() reconfig.Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// tuning gives the temperature's settings in force.
func (s *settings) tuning() manager.Tuning {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tune
}

// tuner is who is told of changed settings (a Conductor).
type tuner interface {
	Tune(context.Context, reconfig.Settings) error
}

// change makes next the engine's settings: on disk, then in force.
func (s *settings) change(ctx context.Context, next reconfig.Settings, to tuner) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	put, gone := make(map[string]string), []string(nil)
	after := maps.Clone(s.kept)
	for i := range s.knobs {
		k := &s.knobs[i]
		value, was, base := k.Text(&next), k.Text(&s.now), k.Text(&s.base)
		if value == was {
			continue
		}
		if value == base {
			delete(after, k.Name())
			gone = append(gone, k.Name())
			continue
		}
		after[k.Name()] = kept{value, base}
		text, err := json.Marshal(after[k.Name()])
		if err != nil {
			return fmt.Errorf("keep %s: %w", k.Name(), err)
		}
		put[k.Name()] = string(text)
	}
	if len(put)+len(gone) == 0 {
		return nil
	}
	if err := s.store.SetSettings(put, gone...); err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	s.kept, s.now = after, next
	return to.Tune(ctx, next)
}

// keepTuning makes a temperature's tuning durable that came by SET.
func (s *settings) keepTuning(t manager.Tuning) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	base := tuningText(s.baseTune)
	k := kept{tuningText(t), base}
	if k.Value == base {
		if err := s.store.SetSettings(nil, tuningName); err != nil {
			return fmt.Errorf("keep settings: %w", err)
		}
		delete(s.kept, tuningName)
		s.tune = t
		return nil
	}
	text, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("keep %s: %w", tuningName, err)
	}
	if err := s.store.SetSettings(map[string]string{tuningName: string(text)}); err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	s.kept[tuningName] = k
	s.tune = t
	return nil
}

// heater is what computes temperatures (a Host).
type heater interface{ Tune(manager.Tuning) error }

// reload takes a new configuration.
func (s *settings) reload(ctx context.Context, c *config.TLM, to tuner, host heater) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.merge(c)
	if err != nil {
		return err
	}
	if err := next.tune.Validate(); err != nil {
		return fmt.Errorf("temperature: %w", err)
	}
	if err := s.forget(next); err != nil {
		return err
	}
	tuned, heated := !reflect.DeepEqual(next.now, s.now), tuningText(next.tune) != tuningText(s.tune)
	s.take(next)
	if heated {
		err = host.Tune(next.tune)
	}
	if tuned {
		err = errors.Join(err, to.Tune(ctx, next.now))
	}
	return err
}
