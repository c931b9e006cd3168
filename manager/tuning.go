package manager

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"simone/mib"
	"simone/temperature"
)

// Tuning is how temperatures are computed. All of it can change at run time.
type Tuning struct {
	// WeightA and WeightB are a and b of T = aI + bL (document 001, section
	// 3.1), used while Expression is empty.
	WeightA, WeightB float64
	// Expression over I, L, U and B (temperature.Inputs) takes their place.
	Expression string
	// History weighs the last temperatures, the present one first; none
	// makes the weighted temperature equal to the present one.
	History []float64
	// STU is the length of one unit of latency; a multiple of 1 µs.
	STU time.Duration
}

// DefaultTuning is DESIGN section 2's: the latency in milliseconds, weighted
// 0.57, 0.28, 0.15.
func DefaultTuning() Tuning {
	return Tuning{WeightB: 1, History: temperature.DefaultWeights(), STU: temperature.DefaultSTU}
}

// Validate says what is wrong with the tuning and what to write instead.
func (t Tuning) Validate() error {
	_, err := t.formula()
	if err != nil {
		return err
	}
	if err := temperature.CheckWeights(t.history()); err != nil {
		return err
	}
	if us := t.STU / time.Microsecond; us < 1 || us > math.MaxUint32 {
		return fmt.Errorf("stu is %v; write a time from 1us to 1h, for example 1ms", t.STU)
	}
	return nil
}

func (t Tuning) formula() (temperature.Formula, error) {
	// The weights are checked even while an expression hides them, so that
	// taking it away later cannot fail.
	linear, err := temperature.Linear(t.WeightA, t.WeightB)
	if err != nil || strings.TrimSpace(t.Expression) == "" {
		return linear, err
	}
	return temperature.Compile(t.Expression)
}

func (t Tuning) history() []float64 {
	if len(t.History) == 0 {
		return []float64{1}
	}
	return t.History
}

// meter makes a meter of a validated tuning, or retunes one.
func (t Tuning) meter(old *temperature.Meter) (*temperature.Meter, error) {
	f, err := t.formula()
	if err != nil {
		return nil, err
	}
	if old == nil {
		return temperature.NewMeter(f, t.history(), t.STU)
	}
	if err := errors.Join(temperature.CheckWeights(t.history()), old.SetSTU(t.STU)); err != nil {
		return nil, err
	}
	old.Formula = f
	return old, old.History.Reweigh(t.history())
}

// parseHistory reads simoneTemperatureHistory.
func parseHistory(s string) ([]float64, error) {
	var weights []float64
	for _, field := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' }) {
		w, err := mib.ParseDecimal(mib.Text(field))
		if err != nil {
			return nil, fmt.Errorf("history weight %d: %w", len(weights)+1, err)
		}
		weights = append(weights, w)
	}
	return weights, nil
}

// FormatHistory writes weights as simoneTemperatureHistory has them.
func FormatHistory(weights []float64) string {
	words := make([]string, len(weights))
	for i, w := range weights {
		words[i] = mib.Decimal(w).String()
	}
	return strings.Join(words, " ")
}

// ruledTuning is a tuning with the weights that the manager above has told, if
// any: they stand above the node's own. h.mu is held.
func (h *Host) ruledTuning(t Tuning) Tuning {
	if weights, err := parseHistory(h.list.Settings().Rules.History); err == nil && len(weights) > 0 {
		t.History = weights
	}
	return t
}
