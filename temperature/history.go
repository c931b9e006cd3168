package temperature

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// MaxWeights is the most windows a weighted temperature may reach back over.
const MaxWeights = 16

// DefaultWeights are those of document 001, section 5.4:
// Tw = 0.57 Tc + 0.28 Tc1 + 0.15 Tc2.
func DefaultWeights() []float64 { return []float64{0.57, 0.28, 0.15} }

// History holds the last temperatures and weighs them, the newest first. It
// is not safe for concurrent use.
type History struct {
	weights []float64
	values  []float64 // newest first; never longer than weights
}

// NewHistory makes an empty history. Weights need not add up to 1, as they
// are normalised over the values present; there must be 1 to MaxWeights, all
// finite and not negative, and the first, that of the present temperature,
// above zero.
func NewHistory(weights []float64) (*History, error) {
	h := &History{}
	if err := h.Reweigh(weights); err != nil {
		return nil, err
	}
	return h, nil
}

// Reweigh changes the weights and keeps the temperatures that are still
// within their reach. On error nothing changes.
func (h *History) Reweigh(weights []float64) error {
	if err := CheckWeights(weights); err != nil {
		return err
	}
	h.weights = slices.Clone(weights)
	h.values = slices.Grow(h.values, len(weights))
	h.values = h.values[:min(len(h.values), len(weights))]
	return nil
}

// CheckWeights says what is wrong with history weights, if anything.
func CheckWeights(weights []float64) error {
	if len(weights) == 0 {
		return errors.New("there are no history weights; write 0.57, 0.28, 0.15, or 1 for the present temperature alone")
	}
	if len(weights) > MaxWeights {
		return fmt.Errorf("there are %d history weights; at most %d are allowed", len(weights), MaxWeights)
	}
	for i, w := range weights {
		if math.IsNaN(w) || w < 0 || w > Max {
			return fmt.Errorf("history weight %d is %v; write a number from 0 to %.0f", i+1, w, Max)
		}
	}
	if weights[0] == 0 {
		return errors.New("history weight 1, that of the present temperature, is 0; it must be positive")
	}
	return nil
}

// Add puts the temperature of the newest window in front.
func (h *History) Add(t float64) {
	if len(h.values) < len(h.weights) {
		h.values = append(h.values, 0)
	}
	copy(h.values[1:], h.values)
	h.values[0] = t
}

// Current is the newest temperature, 0 when there is none.
func (h *History) Current() float64 {
	if len(h.values) == 0 {
		return 0
	}
	return h.values[0]
}

// Weighted is the weighted temperature: the sum of weight x temperature over
// the values present, divided by the sum of their weights, so that with two of
// three values the paper's weights divide by .85 (SIM.md). 0 when there is none.
func (h *History) Weighted() float64 {
	if len(h.values) == 0 {
		return 0
	}
	sum, weight := 0.0, 0.0
	for i, t := range h.values {
		sum += h.weights[i] * t
		weight += h.weights[i]
	}
	return sum / weight
}

// Weights is a copy of the weights.
func (h *History) Weights() []float64 { return slices.Clone(h.weights) }

// Reset forgets the temperatures, as when a node begins to be a manager.
func (h *History) Reset() { h.values = h.values[:0] }
