package sim

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"simone/sim/scenario"
)

func points() []scenario.Parameters {
	var list []scenario.Parameters
	for _, split := range []float64{5, 10} {
		p := brief("paper")
		p.End = 6_000
		p.Thresholds.Split = split
		list = append(list, *p)
	}
	return list
}

// comparable are summaries without how fast they came about.
func comparable(t *testing.T, r *Results, seeds int) (list []*Summary) {
	t.Helper()
	for _, p := range points() {
		s := r.Summary(&p, seeds)
		if s == nil || len(s.Outcomes) != seeds {
			t.Fatalf("there are not %d seeds of %v", seeds, p.Thresholds)
		}
		for _, o := range s.Outcomes {
			delete(o.Values, "events_per_second")
			for key, v := range o.Values {
				if math.IsNaN(v) {
					o.Values[key] = -1
				}
			}
		}
		s.Estimates = nil
		list = append(list, s)
	}
	return list
}

// A sweep that is ended, and whose last line is torn, goes on where it was.
func TestSweepResumes(t *testing.T) {
	whole := NewResults()
	if err := Sweep(t.Context(), points(), 2, whole, nil); err != nil {
		t.Fatal(err)
	}
	if want := 2*2 + 2; whole.Len() != want {
		t.Errorf("%d runs, want %d: the scenarios share the static scheme", whole.Len(), want)
	}
	dir := filepath.Join(t.TempDir(), "results")
	first, err := OpenResults(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = Sweep(ctx, points(), 2, first, func(so Progress) {
		if so.Done == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the sweep that was ended says %v", err)
	}
	had := first.Len()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if had < 3 || had == whole.Len() {
		t.Fatalf("%d runs were kept: the test shows nothing", had)
	}
	file, err := os.OpenFile(filepath.Join(dir, resultsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"model":2,"scen`); err != nil {
		t.Fatal(err)
	}
	file.Close()
	again, err := OpenResults(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.Len() != had {
		t.Fatalf("%d runs were read, %d were kept", again.Len(), had)
	}
	made := 0
	if err := Sweep(t.Context(), points(), 2, again, func(so Progress) { made = so.Done }); err != nil {
		t.Fatal(err)
	}
	again.Close()
	if made != whole.Len()-had {
		t.Errorf("%d runs were made, %d were missing", made, whole.Len()-had)
	}
	read, err := OpenResults(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if a, b := comparable(t, read, 2), comparable(t, whole, 2); !reflect.DeepEqual(a, b) {
		t.Errorf("in two parts it came to\n%+v, in one to\n%+v", a[0], b[0])
	}
}

func TestInterval95(t *testing.T) {
	// Student's t for four degrees of freedom is 2.776; the standard
	// deviation of 1 to 5 is 1.5811.
	nan := math.NaN()
	m, half := Interval95([]float64{1, nan, 2, 3, 4, 5})
	if m != 3 || math.Abs(half-2.776*1.5811/math.Sqrt(5)) > 1e-3 {
		t.Errorf("%v ± %v", m, half)
	}
	if m, half := Interval95([]float64{7, nan}); m != 7 || !math.IsNaN(half) {
		t.Errorf("of one value %v ± %v", m, half)
	}
	if m, _ := Interval95([]float64{nan}); !math.IsNaN(m) {
		t.Errorf("of nothing %v", m)
	}
}
