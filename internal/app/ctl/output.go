package ctl

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// The output formats.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

// show writes a value in the format asked for; text renders it for people.
func (o *options) show(v any, text func(*page)) error {
	var out string
	switch o.output {
	case formatJSON:
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return fmt.Errorf("make JSON: %w", err)
		}
		out = string(b) + "\n"
	case formatYAML:
		b, err := toYAML(v)
		if err != nil {
			return err
		}
		out = string(b)
	default:
		p := &page{color: o.colored()}
		text(p)
		out = p.String()
	}
	return o.print(out)
}

// stream writes one of several values: JSON in one line, YAML as a document
// of its own.
func (o *options) stream(v any, text func(*page)) error {
	switch o.output {
	case formatJSON:
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("make JSON: %w", err)
		}
		return o.print(string(b) + "\n")
	case formatYAML:
		b, err := toYAML(v)
		if err != nil {
			return err
		}
		return o.print("---\n" + string(b))
	}
	return o.show(v, text)
}

func (o *options) print(text string) error {
	if _, err := io.WriteString(o.stdout, text); err != nil {
		return failed("", "write the output: %w", err)
	}
	return nil
}

// toYAML goes by way of JSON, so that the names and their order are the same.
func toYAML(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err == nil {
		b, err = yaml.JSONToYAML(b)
	}
	if err != nil {
		return nil, fmt.Errorf("make YAML: %w", err)
	}
	return b, nil
}

// colored reports whether the output may have colours (no-color.org).
func (o *options) colored() bool {
	if o.noColor || o.getenv("NO_COLOR") != "" || o.getenv("TERM") == "dumb" {
		return false
	}
	_, _, ok := terminalSize(o.stdout)
	return ok
}

// paint is a colour of text, as the parameter of ECMA-48's SGR.
type paint string

const (
	plain  paint = ""
	bold   paint = "1"
	faint  paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
	cyan   paint = "36"
)

// page collects text for people.
type page struct {
	strings.Builder
	color bool
}

// dye gives text in a colour, if the page has colours.
func (p *page) dye(c paint, text string) string {
	if !p.color || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// linef adds a line.
func (p *page) linef(format string, args ...any) {
	fmt.Fprintf(p, format, args...)
	p.WriteByte('\n')
}

// cell is a field of a table.
type cell struct {
	text  string
	paint paint
}

// table adds a table. A heading that begins with > has its column to the
// right. Empty fields become dashes, so that columns can be counted.
func (p *page) table(headings []string, rows [][]cell) {
	widths := make([]int, len(headings))
	right := make([]bool, len(headings))
	head := make([]cell, len(headings))
	for i, h := range headings {
		h, right[i] = strings.CutPrefix(h, ">")
		head[i] = cell{h, bold}
	}
	all := append([][]cell{head}, rows...)
	for _, r := range all {
		for i := range r {
			if r[i].text == "" {
				r[i].text = "-"
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i].text))
		}
	}
	for _, r := range all {
		var line strings.Builder
		for i, f := range r {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(f.text))
			if i > 0 {
				line.WriteString("  ")
			}
			if right[i] {
				line.WriteString(gap)
			}
			line.WriteString(p.dye(f.paint, f.text))
			if !right[i] && i < len(r)-1 {
				line.WriteString(gap)
			}
		}
		p.linef("%s", strings.TrimRight(line.String(), " "))
	}
}

// field is a name with a value, as a block of them shows it.
type field struct {
	name string
	cell
}

// fields adds a block of fields; those without a value are left out.
func (p *page) fields(title string, all []field) {
	width := 0
	for _, f := range all {
		if f.text != "" {
			width = max(width, len(f.name))
		}
	}
	if width == 0 {
		return
	}
	if p.Len() > 0 {
		p.linef("")
	}
	p.linef("%s", p.dye(bold, title))
	for _, f := range all {
		if f.text != "" {
			p.linef("  %-*s  %s", width, f.name, p.dye(f.paint, f.text))
		}
	}
}
