package evaluation

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"simone/sim"
	"simone/sim/scenario"
)

func TestExhibitsAreSound(t *testing.T) {
	ids := make(map[string]bool)
	keys := make(map[string]bool)
	for _, m := range sim.Measures() {
		keys[m.Key] = true
	}
	for _, e := range Exhibits() {
		t.Run(e.ID, func(t *testing.T) {
			if ids[e.ID] {
				t.Error("there are two of it")
			}
			ids[e.ID] = true
			labels := make(map[string]bool)
			for _, r := range e.Rows {
				if labels[r.Label] {
					t.Errorf("two rows are called %q", r.Label)
				}
				labels[r.Label] = true
				if err := r.Scenario.Validate(); err != nil {
					t.Errorf("%s: %v", r.Label, err)
				}
				if _, err := sim.PolicyByName(r.Scenario.Policy); err != nil {
					t.Errorf("%s: %v", r.Label, err)
				}
				if r.Key != "" && !keys[r.Key] {
					t.Errorf("%s: there is no measure %q", r.Label, r.Key)
				}
			}
			for _, r := range e.Rows {
				if r.Versus != "" && !labels[r.Versus] {
					t.Errorf("%s is compared with %q, which is not there", r.Label, r.Versus)
				}
			}
			for _, k := range e.Keys {
				if !keys[k] {
					t.Errorf("there is no measure %q", k)
				}
			}
			for _, c := range e.Claims {
				for _, p := range c.Pairs {
					if !labels[p[0]] || !labels[p[1]] {
						t.Errorf("%q compares %q and %q, of which one is not there", c.Text, p[0], p[1])
					}
				}
			}
		})
	}
}

// outcomes makes results up: G by split threshold, a little different with
// each seed.
func outcomes(t *testing.T, g map[float64][]float64) (*sim.Results, func(split float64) scenario.Parameters) {
	t.Helper()
	results := sim.NewResults()
	at := func(v float64) scenario.Parameters { return with(split(v)) }
	for v, values := range g {
		p := at(v)
		for i, x := range values {
			one := p
			one.Seed += i
			if err := results.Add(&one, sim.Outcome{Seed: one.Seed, Values: map[string]float64{"G": x}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return results, at
}

func TestVerdicts(t *testing.T) {
	results, at := outcomes(t, map[float64][]float64{
		10: {10, 10.1, 9.9, 10},
		20: {20, 20.1, 19.9, 20},
		30: {10.3, 9.9, 9.8, 10.4}, // above 10 in the mean, not beyond chance
	})
	row := func(label string, v, paper float64, versus string) Row {
		return Row{Label: label, Scenario: at(v), Paper: paper, Versus: versus}
	}
	e := Exhibit{ID: "x", Keys: []string{"G"}, Rows: []Row{
		row("same", 10, 10.5, ""),
		row("same trend", 10, 15, "twenty"),
		row("other trend", 10, 25, "twenty"),
		row("no trend", 10, 15, ""),
		row("twenty", 20, 20, ""),
		row("thirty", 30, unsaid, ""),
		row("missing", 40, 10, ""),
		row("unsaid", 20, unsaid, ""),
		row("unsaid and unclaimed", 20, unsaid, ""),
	}, Claims: []Claim{
		{Text: "beyond chance", Pairs: [][2]string{{"same", "twenty"}}},
		{Text: "in the mean", Pairs: [][2]string{{"same", "thirty"}}},
		{Text: "wrong", Pairs: [][2]string{{"same", "twenty"}, {"twenty", "thirty"}}},
		{Text: "open", Pairs: [][2]string{{"same", "missing"}}},
		{Text: "not more but by chance", Pairs: [][2]string{{"thirty", "same"}}, NotMore: true},
		{Text: "more", Pairs: [][2]string{{"unsaid", "same"}}, NotMore: true},
	}}
	j := Judge(e, results, 4)
	var rows, claims []Verdict
	for _, r := range j.Rows {
		rows = append(rows, r.Verdict)
	}
	for _, c := range j.Claims {
		claims = append(claims, c.Verdict)
	}
	if want := []Verdict{Reproduced, TrendOnly, NotFound, NotFound, Reproduced, NotFound, Open, NotFound, Open}; !slices.Equal(rows, want) {
		t.Errorf("rows are judged %v, want %v", rows, want)
	}
	if want := []Verdict{Reproduced, TrendOnly, NotFound, Open, Reproduced, NotFound}; !slices.Equal(claims, want) {
		t.Errorf("claims are judged %v, want %v", claims, want)
	}
}

func TestReport(t *testing.T) {
	results, _ := outcomes(t, map[float64][]float64{10: {14, 14.2}, 17.5: {11, 11.4}, 20: {11.5, math.NaN()}, 25: {12, 12.1}})
	r := NewReport(results, 2)
	var md, html bytes.Buffer
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	if err := r.HTML(&html); err != nil {
		t.Fatal(err)
	}
	for _, e := range Exhibits() {
		_, missing, _ := strings.Cut(md.String(), "\nNot simulated: ")
		missing, _, _ = strings.Cut(missing, "\n")
		there := strings.Contains(md.String(), "\n## "+e.Title+"\n")
		if there != strings.Contains(html.String(), `id="`+e.ID+`"`) || there == strings.Contains(missing, e.Title) {
			t.Errorf("%s is neither in both reports nor said to be missing", e.ID)
		}
	}
	for _, want := range []string{"| 0.1-10-500, more splits | 14.3 | 14.1 ± 1.27 |", "| not simulated |", "| reproduced |"} {
		if !strings.Contains(md.String(), want) {
			t.Errorf("the Markdown report does not say %q", want)
		}
	}
	text := html.String()
	if n := strings.Count(text, "<svg"); n < 3 {
		t.Errorf("there are %d figures of what was simulated", n)
	}
	for _, foreign := range []string{"src=", "<link", "url(http"} {
		if strings.Contains(text, foreign) {
			t.Errorf("the page is not complete in itself: %s", foreign)
		}
	}
	for text != "" {
		var svg string
		if _, text, _ = strings.Cut(text, "<svg"); text == "" {
			break
		}
		svg, text, _ = strings.Cut(text, "</svg>")
		in := xml.NewDecoder(strings.NewReader("<svg" + svg + "</svg>"))
		for {
			if _, err := in.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("a figure is no XML: %v", err)
			}
		}
	}
}

// A sweep of the reader's own is shown too, by what differs in it.
func TestReportOfOnesOwn(t *testing.T) {
	results := sim.NewResults()
	for _, leaves := range []int{1000, 64, 200} {
		for _, name := range []string{"paper", "zabbix"} {
			for seed := 5; seed < 7; seed++ {
				p := with(policy(name), size(leaves, 4))
				p.Seed = seed
				if err := results.Add(&p, sim.Outcome{Seed: seed, Values: map[string]float64{"G": float64(leaves) / 10}}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	r := NewReport(results, 8)
	var md, html bytes.Buffer
	if err := errors.Join(r.Markdown(&md), r.HTML(&html)); err != nil {
		t.Fatal(err)
	}
	text := md.String()
	last := 0
	for _, want := range []string{"# What was simulated\n\n6 scenarios", "over 2 seeds", "| scenario | G |",
		"| leaves 64, policy paper | 6.40 ± 0.00 |", "| leaves 64, policy zabbix | 6.40", "| leaves 200, policy paper | 20.0", "| leaves 1000, policy zabbix | 100.0"} {
		at := strings.Index(text, want)
		if at < last {
			t.Errorf("%q is at %d, after %d, of\n%s", want, at, last, text)
		}
		last = at
	}
	if strings.Contains(text, "verdict") || strings.Contains(text, "Not simulated") {
		t.Errorf("it speaks of the paper:\n%s", text)
	}
	if n := strings.Count(html.String(), "<svg"); n != 1 {
		t.Errorf("there are %d figures", n)
	}
}
