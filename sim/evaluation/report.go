package evaluation

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"simone/sim"
)

// Report is all exhibits, judged.
type Report struct {
	Seeds    int
	Exhibits []Judged
}

// NewReport judges all exhibits by the results of so many seeds.
func NewReport(results *sim.Results, seeds int) Report {
	r := Report{Seeds: seeds}
	for _, e := range Exhibits() {
		r.Exhibits = append(r.Exhibits, Judge(e, results, seeds))
	}
	return r
}

// Tally counts verdicts of rows and claims; Open ones were not simulated or
// have nothing to be judged by.
func (r *Report) Tally() (n [NotFound + 1]int) {
	for _, e := range r.Exhibits {
		for _, row := range e.Rows {
			n[row.Verdict]++
		}
		for _, c := range e.Claims {
			n[c.Verdict]++
		}
	}
	return n
}

// Conclusion is the tally in a sentence.
func (r *Report) Conclusion() string {
	n := r.Tally()
	return fmt.Sprintf("Of the paper's values and claims, %d are reproduced, %d in their trend only, %d not; %d were not simulated or have nothing to be compared with.",
		n[Reproduced], n[TrendOnly], n[NotFound], n[Open])
}

// reading says how to read the report.
const reading = `Values are means over %d seeds with 95 %% intervals. The paper gives none, so a value is
reproduced if it is within 10 %% of the paper's, or within 20 %% and our interval has room for the
paper's; the trend alone is there if it lies on the same side of what it is compared with. A claim
is reproduced if it holds seed by seed beyond chance (paired 95 %% interval), and a trend only if it
holds in the mean. Points for which the paper gives no number have the verdict of the worst of the
comparisons in which claims name them.`

// Reading is that for this report.
func (r *Report) Reading() string { return fmt.Sprintf(reading, r.Seeds) }

// cells are what a table shows of a row, without its label and verdict.
func (j *Judged) cells(r *JudgedRow) []string {
	cells := []string{digits(r.Paper)}
	keys := append([]string{j.Key(r)}, j.Exhibit.Keys[1:]...)
	for _, key := range keys {
		if r.Summary == nil {
			cells = append(cells, "not simulated")
			continue
		}
		e := r.Summary.Estimate(key)
		text := digits(e.Mean)
		if !math.IsNaN(e.CI) && !math.IsNaN(e.Mean) {
			text += " ± " + digits(e.CI)
		}
		cells = append(cells, text)
	}
	return cells
}

// head are the columns.
func (j *Judged) head() []string {
	head := []string{"scenario", "paper"}
	for i, key := range j.Exhibit.Keys {
		if i == 0 {
			key = "here: " + key
		}
		head = append(head, key)
	}
	return append(head, "verdict")
}

// digits writes a number for people; a dash for none.
func digits(x float64) string {
	switch a := math.Abs(x); {
	case math.IsNaN(x):
		return "–"
	case a >= 1000:
		return fmt.Sprintf("%.0f", x)
	case a >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// Table is an exhibit as both formats show it.
type Table struct {
	ID, Title, About string
	Head             []string
	Lines            []Line
	Claims           []JudgedClaim
	Figure           template.HTML // SVG, or empty
}

// Line is a row of a table.
type Line struct {
	Label   string
	Cells   []string
	Verdict Verdict
}

// tables renders the exhibits, with figures if these are asked for.
func (r *Report) tables(figures bool) (list []Table, err error) {
	for i := range r.Exhibits {
		j := &r.Exhibits[i]
		t := Table{ID: j.ID, Title: j.Title, About: j.About, Head: j.head(), Claims: j.Claims}
		for k := range j.Rows {
			row := &j.Rows[k]
			t.Lines = append(t.Lines, Line{row.Label, j.cells(row), row.Verdict})
		}
		if figures {
			svg, err := j.figure()
			if err != nil {
				return nil, fmt.Errorf("draw %s: %w", j.ID, err)
			}
			t.Figure = template.HTML(svg)
		}
		list = append(list, t)
	}
	return list, nil
}

// Markdown writes the report without figures.
func (r *Report) Markdown(w io.Writer) error {
	tables, err := r.tables(false)
	if err != nil {
		return err
	}
	var s strings.Builder
	fmt.Fprintf(&s, "# Document 001's evaluation, repeated\n\n%s\n\n%s\n", r.Conclusion(), r.Reading())
	for _, t := range tables {
		fmt.Fprintf(&s, "\n## %s\n\n%s\n\n| %s |\n|%s\n", t.Title, t.About, strings.Join(t.Head, " | "), strings.Repeat("---|", len(t.Head)))
		for _, l := range t.Lines {
			fmt.Fprintf(&s, "| %s | %s | %s |\n", l.Label, strings.Join(l.Cells, " | "), l.Verdict)
		}
		if len(t.Claims) > 0 {
			s.WriteString("\n| the paper says | verdict |\n|---|---|\n")
		}
		for _, c := range t.Claims {
			fmt.Fprintf(&s, "| %s | %s |\n", c.Text, c.Verdict)
		}
	}
	_, err = io.WriteString(w, s.String())
	return err
}

//go:embed report.html
var page string

// HTML writes the report as one page that needs nothing else.
func (r *Report) HTML(w io.Writer) error {
	tables, err := r.tables(true)
	if err != nil {
		return err
	}
	t, err := template.New("report").Parse(page)
	if err != nil {
		return fmt.Errorf("parse the report's template: %w", err)
	}
	return t.Execute(w, struct {
		*Report
		Tables []Table
	}{r, tables})
}
