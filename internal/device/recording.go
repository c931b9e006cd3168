package device

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"simone/mib"
)

// Recording is what a device answered when it was walked, in the order of a
// walk. It does not change, and is safe for concurrent use.
type Recording struct {
	Name string // of the file, without directory and endings
	vars []mib.Variable
}

// LineError says which line of a recording cannot be read, and why.
type LineError struct {
	File string
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap gives the reason.
func (e *LineError) Unwrap() error { return e.Err }

// maxLine is how long a line may be, in octets: a value of 64 KiB in
// hexadecimal, with its name.
const maxLine = 256 << 10

// Open reads a recording from a file, which bzip2 or gzip may have compressed.
func Open(file string) (*Recording, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open a recording: %w", err)
	}
	defer f.Close()
	if i, err := f.Stat(); err == nil && i.IsDir() {
		return nil, fmt.Errorf("open a recording: %s is a directory; name the files in it, as %s", file, filepath.Join(file, "*.snmprec"))
	}
	text, err := unpack(file, f)
	if err != nil {
		return nil, err
	}
	r, err := Read(file, text)
	if err != nil {
		return nil, err
	}
	r.Name = filepath.Base(file)
	for _, ending := range []string{".bz2", ".gz", ".snmprec"} {
		r.Name = strings.TrimSuffix(r.Name, ending)
	}
	return r, nil
}

// unpack gives the text of a file, by what it begins with: names lie.
func unpack(file string, f io.Reader) (io.Reader, error) {
	b := bufio.NewReader(f)
	for _, p := range []struct{ magic, tool string }{
		{"BZh", ""}, {"\x1f\x8b", ""},
		{"\xfd7zXZ\x00", "unxz"}, {"\x28\xb5\x2f\xfd", "unzstd"}, {"PK\x03\x04", "unzip"},
	} {
		head, err := b.Peek(len(p.magic))
		switch {
		case err != nil || string(head) != p.magic:
		case p.tool != "":
			return nil, fmt.Errorf("read %s: it is packed in a way that is not known here; unpack it first with %s", file, p.tool)
		case p.magic == "BZh":
			return bzip2.NewReader(b), nil
		default:
			z, err := gzip.NewReader(b)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", file, err)
			}
			return z, nil
		}
	}
	return b, nil
}

// Read reads a recording. Lines are OID|TAG|VALUE in any order; empty ones and
// those that begin with # say nothing, nor do those of what a device did not
// have, and of several with the same OID the last one counts, as in snmpsim. name
// stands in errors: a *LineError, or what reading failed with.
func Read(name string, text io.Reader) (*Recording, error) {
	r := &Recording{Name: name}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimRight(lines.Bytes(), "\r")
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff")) // of editors on Windows
		}
		line = bytes.TrimLeft(line, " \t")
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		v, err := parseLine(line)
		if err != nil {
			return nil, &LineError{name, n, err}
		}
		if !v.Value.IsException() {
			r.vars = append(r.vars, v)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, &LineError{name, n + 1, fmt.Errorf("the line is longer than %d octets", maxLine)}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("read %s: it ends in the middle of what is packed, behind line %d; copy it again", name, n)
	case err != nil:
		return nil, fmt.Errorf("read %s, behind line %d: %w", name, n, err)
	case len(r.vars) == 0:
		return nil, fmt.Errorf("read %s: there is nothing recorded in it", name)
	}
	r.sort()
	return r, nil
}

// sort brings the variables in order and keeps the last of each name.
func (r *Recording) sort() {
	slices.SortStableFunc(r.vars, func(a, b mib.Variable) int { return a.Name.Compare(b.Name) })
	kept := r.vars[:0]
	for i, v := range r.vars {
		if i+1 < len(r.vars) && r.vars[i+1].Name.Equal(v.Name) {
			continue
		}
		kept = append(kept, v)
	}
	clear(r.vars[len(kept):])
	r.vars = kept
}

// Len is how many variables were recorded.
func (r *Recording) Len() int { return len(r.vars) }

// Vars gives all variables in order. They must not be changed.
func (r *Recording) Vars() []mib.Variable { return r.vars }

// at finds the first variable that does not come before name, and whether it
// is called so itself.
func (r *Recording) at(name mib.OID) (int, bool) {
	return slices.BinarySearchFunc(r.vars, name, func(v mib.Variable, name mib.OID) int { return v.Name.Compare(name) })
}

// Get gives the value of name. Where there is none, noSuchInstance stands for
// names beside one that there is, and noSuchObject for all others: a recording
// knows no objects, only instances (RFC 3416, section 4.2.1).
func (r *Recording) Get(name mib.OID) mib.Value {
	i, found := r.at(name)
	if found {
		return r.vars[i].Value
	}
	if len(name) > 0 {
		object := name[:len(name)-1]
		if i < len(r.vars) && r.vars[i].Name.HasPrefix(object) || i > 0 && r.vars[i-1].Name.HasPrefix(object) {
			return mib.Value{Type: mib.TypeNoSuchInstance}
		}
	}
	return mib.Value{Type: mib.TypeNoSuchObject}
}

// Next gives the first variable after name, and false after the last.
func (r *Recording) Next(name mib.OID) (mib.Variable, bool) {
	i, found := r.at(name)
	if found {
		i++
	}
	if i == len(r.vars) {
		return mib.Variable{}, false
	}
	return r.vars[i], true
}
