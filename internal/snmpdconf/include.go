package snmpdconf

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Source is a line of snmpd's configuration and where it stands.
type Source struct {
	Text string
	File string // empty if it is the only one
	Line int    // from 1
}

// Lines are the lines of a text as sources.
func Lines(file, text string) []Source {
	var lines []Source
	for l := range strings.Lines(text) {
		lines = append(lines, Source{strings.TrimSuffix(l, "\n"), file, len(lines) + 1})
	}
	return lines
}

// Text is the sources as one text.
func Text(lines []Source) string {
	var s strings.Builder
	for _, l := range lines {
		s.WriteString(l.Text + "\n")
	}
	return s.String()
}

// Directory is where configurations are read from.
type Directory interface {
	ReadFile(name string) ([]byte, error)
	// Names lists the files of a directory.
	Names(dir string) ([]string, error)
}

// maxIncludes bounds how deep files include others.
const maxIncludes = 16

// Read gives the lines of a file and of all that it includes, in the order in
// which snmpd reads them (includeFile and includeDir, snmp_config(5)); those of
// an included file stand after the line that includes it. What is included and
// cannot be read is told in problems, as snmpd goes on without it; err is for
// the file itself.
func Read(d Directory, file string) (lines []Source, problems []string, err error) {
	text, err := d.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	r := &reader{from: d}
	r.add(file, string(text), 0)
	return r.lines, r.problems, nil
}

type reader struct {
	from     Directory
	lines    []Source
	problems []string
}

func (r *reader) problem(at Source, format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf("%s, line %d: ", at.File, at.Line)+fmt.Sprintf(format, args...))
}

func (r *reader) add(file, text string, depth int) {
	for _, l := range Lines(file, text) {
		r.lines = append(r.lines, l)
		w := words(l.Text)
		if len(w) < 2 {
			continue
		}
		switch strings.ToLower(w[0]) {
		case "includefile":
			name := w[1]
			if !filepath.IsAbs(name) { // it is beside the file that includes it
				name = filepath.Join(filepath.Dir(file), name)
			}
			r.include(l, name, depth)
		case "includedir":
			names, err := r.from.Names(w[1])
			if err != nil {
				r.problem(l, "the directory cannot be read: %v", err)
				continue
			}
			slices.Sort(names)
			for _, name := range names {
				if strings.HasSuffix(name, ".conf") {
					r.include(l, filepath.Join(w[1], name), depth)
				}
			}
		}
	}
}

func (r *reader) include(at Source, file string, depth int) {
	if depth == maxIncludes {
		r.problem(at, "files include each other more than %d deep", maxIncludes)
		return
	}
	text, err := r.from.ReadFile(file)
	if err != nil {
		r.problem(at, "what is included cannot be read: %v", err)
		return
	}
	r.add(file, string(text), depth+1)
}
