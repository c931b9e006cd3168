package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"simone/mib"
)

// ErrEmpty says that nothing was recorded of the time asked for.
var ErrEmpty = errors.New("nothing was recorded")

// Trace is what was recorded, the oldest round first, each as it stands in its
// file: see Replay for what holds at each of them.
type Trace struct{ Rounds []Round }

// Read reads what is recorded of the time from since on, beginning with the last
// round before it that tells all. A last line that is not whole, as a crash leaves
// it, ends its file; any other is an error.
func Read(dir string, since time.Time) (*Trace, error) {
	files, err := parts(dir)
	if err != nil {
		return nil, err
	}
	first := 0
	for i, p := range files {
		if !p.began.After(since) {
			first = i
		}
	}
	t := &Trace{}
	for _, p := range files[min(first, len(files)):] {
		if err := t.readPart(p.path); err != nil {
			return nil, err
		}
	}
	if len(t.Rounds) == 0 {
		return nil, fmt.Errorf("trace in %s: %w", dir, ErrEmpty)
	}
	return t, nil
}

func (t *Trace) readPart(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // what follows the last newline was not written whole
		}
		if err != nil {
			return fmt.Errorf("trace %s: %w", path, err)
		}
		var r Round
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("trace %s, line %d: %w; remove the file to do without it", path, n, err)
		}
		if n == 1 && !r.Whole {
			return fmt.Errorf("trace %s, line 1: it does not tell all; remove the file to do without it", path)
		}
		t.Rounds = append(t.Rounds, r)
	}
}

// Moment is all that holds after a round.
type Moment struct {
	At       time.Time
	Settings Settings
	ILMs     []ILM
	Nodes    map[mib.NodeID]Node // not to be changed, and only until the next moment
}

// Replay gives the moments in order until yield wants no more.
func (t *Trace) Replay(yield func(Moment) bool) {
	var s state
	for i := range t.Rounds {
		r := &t.Rounds[i]
		s.take(r)
		m := Moment{At: r.At, ILMs: r.ILMs, Nodes: s.nodes}
		if s.settings != nil {
			m.Settings = *s.settings
		}
		if !yield(m) {
			return
		}
	}
}

// Assignment is whose each node was, and which nodes were ILMs.
type Assignment struct {
	At     time.Time
	Owners map[mib.NodeID]mib.NodeID
	ILMs   []mib.NodeID // sorted
}

// AssignmentAt is that of the last round at or before a time.
func (t *Trace) AssignmentAt(at time.Time) (Assignment, error) {
	var a Assignment
	for m := range t.Replay {
		if m.At.After(at) {
			break
		}
		a = Assignment{At: m.At, Owners: make(map[mib.NodeID]mib.NodeID, len(m.Nodes))}
		for id, n := range m.Nodes {
			a.Owners[id] = n.Owner
			if n.ILM {
				a.ILMs = append(a.ILMs, id)
			}
		}
		slices.Sort(a.ILMs)
	}
	if a.Owners == nil {
		return a, fmt.Errorf("the record begins at %s: %w of %s", t.Rounds[0].At.Format(time.RFC3339), ErrEmpty, at.Format(time.RFC3339))
	}
	return a, nil
}
