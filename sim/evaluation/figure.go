package evaluation

import (
	"bytes"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"simone/sim"
)

// Sizes of figures.
const (
	wide = 18 * vg.Centimeter
	high = 9 * vg.Centimeter
)

// palette is of colours that differ for everybody (Okabe and Ito 2008).
var palette = [...]color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255},
	color.RGBA{204, 121, 167, 255}, color.RGBA{86, 180, 233, 255}, color.RGBA{230, 159, 0, 255},
}

var black = color.RGBA{0, 0, 0, 255}

// curve is one series of points at places on the axis.
type curve struct {
	plotter.XYs
	plotter.YErrors
}

// figure draws the exhibit's points as SVG, their values here with intervals
// and crosses for the paper's; empty if it has no points.
func (j *Judged) figure() (string, error) {
	var places, series []string
	curves := make(map[string]*curve)
	var paper plotter.XYs
	for i := range j.Rows {
		r := &j.Rows[i]
		if r.Point == "" || r.Summary == nil {
			continue
		}
		e := r.Summary.Estimate(j.Key(r))
		if math.IsNaN(e.Mean) {
			continue
		}
		x := slices.Index(places, r.Point)
		if x < 0 {
			x, places = len(places), append(places, r.Point)
		}
		c := curves[r.Series]
		if c == nil {
			c = new(curve)
			curves[r.Series], series = c, append(series, r.Series)
		}
		half := e.CI
		if math.IsNaN(half) {
			half = 0
		}
		c.XYs = append(c.XYs, plotter.XY{X: float64(x), Y: e.Mean})
		c.YErrors = append(c.YErrors, struct{ Low, High float64 }{half, half})
		if !math.IsNaN(r.Paper) {
			paper = append(paper, plotter.XY{X: float64(x), Y: r.Paper})
		}
	}
	if len(places) == 0 {
		return "", nil
	}
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = j.Axis, label(j.Exhibit.Keys[0])
	p.NominalX(places...)
	// Room for the labels at both ends, and for a legend whose words come after
	// its signs: how wide a reader's letters are is not known here.
	p.X.Min, p.X.Max = -0.5, float64(len(places))-0.5
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs = true, true, 0.6*wide
	p.Legend.Padding = vg.Points(2)
	if err := j.still(p); err != nil {
		return "", err
	}
	for i, name := range series {
		if err := j.draw(p, curves[name], name, palette[i%len(palette)]); err != nil {
			return "", err
		}
	}
	if len(paper) > 0 {
		crosses, err := plotter.NewScatter(paper)
		if err != nil {
			return "", err
		}
		crosses.GlyphStyle = draw.GlyphStyle{Color: black, Radius: vg.Points(4), Shape: draw.CrossGlyph{}}
		p.Add(crosses)
		p.Legend.Add("paper", crosses)
	}
	p.Y.Min = 0
	p.Y.Max *= 1.2 // for the legend
	canvas := vgsvg.New(wide, high)
	p.Draw(draw.New(canvas))
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return "", err
	}
	// In a page the drawing is an element, without a header of its own.
	text := svg.String()
	return text[strings.Index(text, "<svg"):], nil
}

// label is a measure with its unit.
func label(key string) string {
	for _, m := range sim.Measures() {
		if m.Key == key && m.Unit != "" {
			return key + " (" + m.Unit + ")"
		}
	}
	return key
}

// still draws the rows that have no place on the axis as lines across.
func (j *Judged) still(p *plot.Plot) error {
	for i := range j.Rows {
		r := &j.Rows[i]
		if j.Axis == "" || r.Point != "" || r.Summary == nil || j.Key(r) != j.Exhibit.Keys[0] {
			continue
		}
		at := r.Summary.Estimate(j.Key(r)).Mean
		if math.IsNaN(at) {
			continue
		}
		line, err := plotter.NewLine(plotter.XYs{{X: p.X.Min, Y: at}, {X: p.X.Max, Y: at}})
		if err != nil {
			return err
		}
		line.Color, line.Dashes = black, []vg.Length{vg.Points(4), vg.Points(3)}
		p.Add(line)
		p.Legend.Add(r.Label, line)
	}
	return nil
}

// draw adds a series: points with intervals, and where there is an axis a
// line through them.
func (j *Judged) draw(p *plot.Plot, c *curve, name string, in color.Color) error {
	line, points, err := plotter.NewLinePoints(c.XYs)
	if err != nil {
		return err
	}
	line.Color, points.Color, points.Shape = in, in, draw.CircleGlyph{}
	bars, err := plotter.NewYErrorBars(c)
	if err != nil {
		return err
	}
	bars.Color = in
	if name == "" {
		name = "here"
	}
	if j.Axis != "" {
		p.Add(line)
	}
	p.Add(points, bars)
	p.Legend.Add(name, points)
	return nil
}
