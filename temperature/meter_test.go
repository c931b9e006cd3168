package temperature

import (
	"strings"
	"testing"
	"time"
)

// SIM.md: "T_i = mean latency of reports that left since the last trigger; if
// none but some outstanding: max(previous T, age of the oldest); if no leaves
// 0; else previous T."
func TestMeterClose(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		name     string
		previous float64
		o        Observation
		want     float64
	}{
		{"mean of what left", 50, Observation{Completed: 3, Latency: 7 * ms, Leaves: 4}, 7},
		{"mean of what left, whatever is outstanding", 50, Observation{Completed: 3, Latency: 7 * ms, Outstanding: 2, Oldest: 900 * ms, Leaves: 4}, 7},
		{"what left counts after the last leaf went", 50, Observation{Completed: 1, Latency: 7 * ms}, 7},
		{"only outstanding, older than T", 50, Observation{Outstanding: 2, Oldest: 900 * ms, Leaves: 4}, 900},
		{"only outstanding, younger than T", 50, Observation{Outstanding: 2, Oldest: 9 * ms, Leaves: 4}, 50},
		{"outstanding after the last leaf went", 50, Observation{Outstanding: 1, Oldest: 60 * ms}, 60},
		{"no leaves", 50, Observation{}, 0},
		{"leaves but no job", 50, Observation{Leaves: 4}, 50},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := mustMeter(t, Formula{})
			m.History.Add(tc.previous)
			got, err := m.Close(tc.o)
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want || m.History.Current() != tc.want {
				t.Errorf("T = %v, history %v, want %v", got, m.History.Current(), tc.want)
			}
		})
	}
}

func mustMeter(tb testing.TB, f Formula) *Meter {
	tb.Helper()
	m, err := NewMeter(f, DefaultWeights(), DefaultSTU)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestMeterSTU(t *testing.T) {
	m := mustMeter(t, Formula{})
	if err := m.SetSTU(100 * time.Millisecond); err != nil { // the simulator's
		t.Fatal(err)
	}
	if got, _ := m.Close(Observation{Completed: 1, Latency: 250 * time.Millisecond}); got != 2.5 {
		t.Errorf("T = %v stu, want 2.5", got)
	}
	for _, stu := range []time.Duration{0, -time.Second} {
		if err := m.SetSTU(stu); err == nil || m.STU() != 100*time.Millisecond {
			t.Errorf("stu %v: error %v, stu is now %v", stu, err, m.STU())
		}
	}
}

func TestMeterInputs(t *testing.T) {
	f, err := Compile("1000*I + 100*L + 10*U + B")
	if err != nil {
		t.Fatal(err)
	}
	m := mustMeter(t, f)
	got, err := m.Close(Observation{Completed: 1, Latency: 2 * time.Millisecond, Intrusion: 1, Utilisation: 3, Backlog: 4})
	if err != nil || got != 1234 {
		t.Errorf("T = %v (%v), want 1234", got, err)
	}
}

func TestMeterKeepsTemperatureWhenFormulaFails(t *testing.T) {
	f, err := Compile("L / U")
	if err != nil {
		t.Fatal(err)
	}
	m := mustMeter(t, f)
	m.History.Add(12)
	got, err := m.Close(Observation{Completed: 1, Latency: time.Millisecond})
	if got != 12 || err == nil || !strings.Contains(err.Error(), "guard divisions") {
		t.Errorf("T = %v, error %v; want the previous 12 and what to write", got, err)
	}
}
