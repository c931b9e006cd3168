package evaluation

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"simone/sim"
)

// Report is all exhibits, judged.
type Report struct {
	Seeds    int
	Exhibits []Judged
	Missing  []string // titles of those of which nothing was simulated
}

// NewReport judges all exhibits of which there is something by the results of at
// most so many seeds, and shows what there is besides.
func NewReport(results *sim.Results, seeds int) Report {
	r := Report{}
	exhibits := Exhibits()
	if e, any := own(results, exhibits); any {
		exhibits = append(exhibits, e)
	}
	for _, e := range exhibits {
		j := Judge(e, results, seeds)
		if most := j.seeds(); most > 0 {
			r.Exhibits, r.Seeds = append(r.Exhibits, j), max(r.Seeds, most)
		} else {
			r.Missing = append(r.Missing, e.Title)
		}
	}
	return r
}

// seeds is how many a row of it has at most.
func (j *Judged) seeds() (most int) {
	for _, r := range j.Rows {
		if r.Summary != nil {
			most = max(most, len(r.Summary.Outcomes))
		}
	}
	return most
}

// Tally counts verdicts of the paper's rows and claims; Open ones were not simulated or
// have nothing to be judged by.
func (r *Report) Tally() (n [NotFound + 1]int) {
	for _, e := range r.Exhibits {
		if e.Own {
			continue
		}
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
	if !r.ofPaper() {
		return fmt.Sprintf("%d scenarios, nothing of the paper's evaluation.", r.rows())
	}
	n := r.Tally()
	return fmt.Sprintf("Of the paper's values and claims, %d are reproduced, %d in their trend only, %d not; %d were not simulated or have nothing to be compared with.",
		n[Reproduced], n[TrendOnly], n[NotFound], n[Open])
}

// rows is how many there are of something that was simulated.
func (r *Report) rows() (n int) {
	for _, e := range r.Exhibits {
		for _, row := range e.Rows {
			if row.Summary != nil {
				n++
			}
		}
	}
	return n
}

// reading says how to read the report.
const reading = `Values are means over %d seeds, or as many as are said beside, with 95 %% intervals.`

// verdicts says how the paper's values are judged.
const verdicts = ` The paper gives
no intervals, so a value is reproduced if it is within 10 % of the paper's, or within 20 % and
our interval has room for the paper's; the trend alone is there if it lies on the same side of
what it is compared with. A claim is reproduced if it holds seed by seed beyond chance (paired
95 % interval), and a trend only if it holds in the mean. Points for which the paper gives no
number have the verdict of the worst of the comparisons in which claims name them.`

// Reading is that for this report.
func (r *Report) Reading() string {
	text := fmt.Sprintf(reading, r.Seeds)
	if r.ofPaper() {
		text += verdicts
	}
	return text
}

// Missed is Missing, as far as readers of this report look for it.
func (r *Report) Missed() []string {
	if !r.ofPaper() {
		return nil
	}
	return r.Missing
}

// ofPaper reports whether there is anything of the paper in it.
func (r *Report) ofPaper() bool {
	return slices.ContainsFunc(r.Exhibits, func(j Judged) bool { return !j.Own })
}

// Title is the report's.
func (r *Report) Title() string {
	if r.ofPaper() {
		return "Document 001's evaluation, repeated"
	}
	return "What was simulated"
}

// cells are what a table shows of a row, without its label and verdict.
func (j *Judged) cells(r *JudgedRow) []string {
	var cells []string
	if !j.Own {
		cells = append(cells, digits(r.Paper))
	}
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

// judges reports whether there are verdicts.
func (j *Judged) judges() bool { return !j.Own || len(j.Claims) > 0 }

// head are the columns.
func (j *Judged) head() []string {
	head := []string{"scenario"}
	if !j.Own {
		head = append(head, "paper")
	}
	for i, key := range j.Exhibit.Keys {
		if i == 0 && !j.Own {
			key = "here: " + key
		}
		head = append(head, key)
	}
	if j.judges() {
		head = append(head, "verdict")
	}
	return head
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
	Own              bool
	Head             []string
	Lines            []Line
	Claims           []JudgedClaim
	Figure           template.HTML // SVG, or empty
}

// Says is whose the claims are.
func (t *Table) Says() string {
	if t.Own {
		return "to be shown"
	}
	return "the paper says"
}

// Line is a row of a table.
type Line struct {
	Label   string
	Cells   []string
	Judged  bool
	Verdict Verdict
}

// all are the cells with the verdict, if there is one.
func (l *Line) all() []string {
	if l.Judged {
		return append(l.Cells[:len(l.Cells):len(l.Cells)], l.Verdict.String())
	}
	return l.Cells
}

// tables renders the exhibits, with figures if these are asked for.
func (r *Report) tables(figures bool) (list []Table, err error) {
	for i := range r.Exhibits {
		j := &r.Exhibits[i]
		t := Table{ID: j.ID, Title: j.Title, About: j.About, Own: j.Own, Head: j.head(), Claims: j.Claims}
		for k := range j.Rows {
			row := &j.Rows[k]
			label := row.Label
			if row.Summary != nil && len(row.Summary.Outcomes) < r.Seeds {
				label += fmt.Sprintf(" (seeds: %d)", len(row.Summary.Outcomes))
			}
			t.Lines = append(t.Lines, Line{label, j.cells(row), j.judges(), row.Verdict})
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
	fmt.Fprintf(&s, "# %s\n\n%s\n\n%s\n", r.Title(), r.Conclusion(), r.Reading())
	if missed := r.Missed(); len(missed) > 0 {
		fmt.Fprintf(&s, "\nNot simulated: %s.\n", strings.Join(missed, "; "))
	}
	for _, t := range tables {
		fmt.Fprintf(&s, "\n## %s\n\n%s\n\n| %s |\n|%s\n", t.Title, t.About, strings.Join(t.Head, " | "), strings.Repeat("---|", len(t.Head)))
		for _, l := range t.Lines {
			fmt.Fprintf(&s, "| %s | %s |\n", l.Label, strings.Join(l.all(), " | "))
		}
		if len(t.Claims) > 0 {
			fmt.Fprintf(&s, "\n| %s | verdict |\n|---|---|\n", t.Says())
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
