package temperature

import (
	"math"
	"strings"
	"testing"
)

// Document 001, section 5.4: Tw = 0.57Tc + 0.28Tc1 + 0.15Tc2, "where Tc is the
// temperature during the current poll, Tc1 the temperature during the previous
// poll, and so on". SIM.md: "with two values, divide by .85".
func TestHistoryWeighted(t *testing.T) {
	for _, tc := range []struct {
		name    string
		weights []float64
		values  []float64 // oldest first
		want    float64
	}{
		{"none", DefaultWeights(), nil, 0},
		{"one value counts whole", DefaultWeights(), []float64{20}, 20},
		{"two values divide by .85", DefaultWeights(), []float64{10, 20}, (0.57*20 + 0.28*10) / 0.85},
		{"three values", DefaultWeights(), []float64{5, 10, 20}, 0.57*20 + 0.28*10 + 0.15*5},
		{"a fourth pushes the oldest out", DefaultWeights(), []float64{1000, 5, 10, 20}, 0.57*20 + 0.28*10 + 0.15*5},
		{"weights need not add up to 1", []float64{2, 2}, []float64{10, 20}, 15},
		{"the present one alone", []float64{1}, []float64{10, 20}, 20},
		{"a zero weight later on", []float64{1, 0, 1}, []float64{30, 20, 10}, 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := mustHistory(t, tc.weights)
			for _, v := range tc.values {
				h.Add(v)
			}
			if got := h.Weighted(); math.Abs(got-tc.want) > 1e-12 {
				t.Errorf("weighted %v, want %v", got, tc.want)
			}
			if n := len(tc.values); n > 0 && h.Current() != tc.values[n-1] {
				t.Errorf("current %v, want %v", h.Current(), tc.values[n-1])
			}
		})
	}
}

func mustHistory(tb testing.TB, weights []float64) *History {
	tb.Helper()
	h, err := NewHistory(weights)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func TestHistoryReweigh(t *testing.T) {
	h := mustHistory(t, DefaultWeights())
	for _, v := range []float64{5, 10, 20} {
		h.Add(v)
	}
	if err := h.Reweigh([]float64{0, 1}); err == nil {
		t.Error("a zero first weight was taken")
	}
	if got, want := h.Weighted(), 0.57*20+0.28*10+0.15*5; math.Abs(got-want) > 1e-12 {
		t.Errorf("a refused change altered the weighted temperature to %v, want %v", got, want)
	}
	if err := h.Reweigh([]float64{1, 1}); err != nil {
		t.Fatal(err)
	}
	if got := h.Weighted(); got != 15 {
		t.Errorf("with two equal weights %v, want 15", got)
	}
	if err := h.Reweigh([]float64{1, 1, 1, 1}); err != nil {
		t.Fatal(err)
	}
	h.Add(30)
	if got := h.Weighted(); got != 20 {
		t.Errorf("with the three values kept or added %v, want 20", got)
	}
	h.Reset()
	if h.Weighted() != 0 || h.Current() != 0 {
		t.Error("Reset left a temperature")
	}
}

func TestHistoryRefuses(t *testing.T) {
	for _, tc := range []struct {
		name    string
		weights []float64
		want    string
	}{
		{"none", nil, "no history weights"},
		{"too many", make([]float64, MaxWeights+1), "at most 16"},
		{"negative", []float64{1, -0.1}, "weight 2 is -0.1"},
		{"not a number", []float64{math.NaN()}, "weight 1 is NaN"},
		{"first is zero", []float64{0, 1}, "must be positive"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := NewHistory(tc.weights)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}
