package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// partLength is how long a file of a trace is written to. What is thrown away is
// thrown away by files.
const partLength = 10 * time.Minute

const (
	prefix = "trace-"
	suffix = ".jsonl"
	// stamp is the time in a file's name, UTC, so that names sort by time.
	stamp = "20060102T150405.000Z"
)

// Recorder writes a trace. It is for one goroutine.
type Recorder struct {
	dir   string
	keep  time.Duration
	file  *os.File
	began time.Time // of the file
	state state
}

// NewRecorder records into a directory, which it makes, and keeps what is younger
// than keep, in whole files of ten minutes.
func NewRecorder(dir string, keep time.Duration) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	return &Recorder{dir: dir, keep: keep}, nil
}

// Add writes a round: all that is known, of which it keeps what has changed.
// After an error the next round begins a new file.
func (r *Recorder) Add(now Round) error {
	if r.file == nil || now.At.Sub(r.began) >= partLength || now.At.Before(r.began) {
		if err := r.begin(now.At); err != nil {
			return err
		}
	}
	line := now
	if len(r.state.nodes) > 0 || r.state.settings != nil {
		line = changes(&r.state, &now)
	} else {
		line.Whole = true
	}
	if err := r.write(&line); err != nil {
		return errors.Join(fmt.Errorf("trace: %w", err), r.Close())
	}
	r.state.take(&line)
	return nil
}

func (r *Recorder) write(line *Round) error {
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(r.file)
	_, _ = w.Write(b) // Flush tells
	_ = w.WriteByte('\n')
	return w.Flush()
}

// begin starts a file and removes those that are too old.
func (r *Recorder) begin(now time.Time) error {
	if err := r.Close(); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(r.dir, prefix+now.UTC().Format(stamp)+suffix), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	r.file, r.began, r.state = f, now, state{}
	parts, err := parts(r.dir)
	if err != nil {
		return err
	}
	for i, p := range parts {
		// A file is of use until the next one begins.
		if i+1 < len(parts) && parts[i+1].began.Before(now.Add(-r.keep)) {
			if err := os.Remove(p.path); err != nil {
				return fmt.Errorf("trace: %w", err)
			}
		}
	}
	return nil
}

// Close ends the file.
func (r *Recorder) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}

// part is a file of a trace.
type part struct {
	path  string
	began time.Time
}

// parts lists a trace's files, the oldest first.
func parts(dir string) ([]part, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	var list []part
	for _, e := range entries {
		began, err := time.Parse(prefix+stamp+suffix, e.Name())
		if err != nil {
			continue // somebody else's
		}
		list = append(list, part{filepath.Join(dir, e.Name()), began})
	}
	slices.SortFunc(list, func(a, b part) int { return a.began.Compare(b.began) })
	return list, nil
}
