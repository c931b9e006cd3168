package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"simone/sim/scenario"
)

// model is raised when the same scenario gives other numbers than before, so
// that results of different models are not mixed.
const model = 2

// Results holds outcomes of runs by their parameters, in memory and, if
// opened from a directory, in a file there.
type Results struct {
	outcomes map[string]Outcome
	made     []scenario.Parameters // in the order in which they came
	file     *os.File              // nil: in memory only
}

// line is how an outcome is kept.
type line struct {
	Model    int                  `json:"model"`
	Scenario *scenario.Parameters `json:"scenario"`
	Outcome  Outcome              `json:"outcome"`
}

// NewResults makes empty ones in memory.
func NewResults() *Results { return &Results{outcomes: make(map[string]Outcome)} }

// resultsFile holds one line of JSON for each run.
const resultsFile = "runs.jsonl"

// OpenResults reads what a directory holds, which is made if it is not
// there, and appends to it from then on.
func OpenResults(dir string) (*Results, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("make the directory of results: %w", err)
	}
	path := filepath.Join(dir, resultsFile)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, fmt.Errorf("open results: %w", err)
	}
	r := NewResults()
	whole, err := r.read(path, file)
	if err == nil {
		// What a run that was killed left of a line goes.
		err = file.Truncate(whole)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	r.file = file
	return r, nil
}

// read takes in all lines that are whole, and tells where these end.
func (r *Results) read(path string, from io.Reader) (whole int64, err error) {
	in := bufio.NewReader(from)
	for n := 1; ; n++ {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read results: %w", err)
		}
		l := line{Scenario: scenario.Default()}
		if err := json.Unmarshal(text, &l); err != nil {
			return 0, fmt.Errorf("%s:%d: %w; take the line out, or begin with an empty directory", path, n, err)
		}
		whole += int64(len(text))
		if key := keyOf(l.Scenario); l.Model == model && !r.has(key) {
			r.outcomes[key] = l.Outcome
			r.made = append(r.made, *l.Scenario)
		}
	}
}

// Close closes the file, if there is one.
func (r *Results) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Len is how many runs there are.
func (r *Results) Len() int { return len(r.outcomes) }

func (r *Results) has(key string) bool { _, ok := r.outcomes[key]; return ok }

// Add takes in what a run gave, unless there is an outcome already.
func (r *Results) Add(p *scenario.Parameters, o Outcome) error {
	key := keyOf(p)
	if r.has(key) {
		return nil
	}
	r.outcomes[key] = o
	r.made = append(r.made, *p)
	if r.file == nil {
		return nil
	}
	b, err := json.Marshal(line{model, p, o})
	if err == nil {
		_, err = r.file.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep a result: %w", err)
	}
	return nil
}

// Scenarios lists what was simulated, each once, with the first of its seeds.
func (r *Results) Scenarios() (list []scenario.Parameters) {
	at := make(map[string]int)
	for _, p := range r.made {
		seed := p.Seed
		p.Seed = 0
		key := keyOf(&p)
		p.Seed = seed
		if i, ok := at[key]; ok {
			list[i].Seed = min(list[i].Seed, seed)
			continue
		}
		at[key] = len(list)
		list = append(list, p)
	}
	return list
}

// Summary is over the seeds of a scenario that there are, of so many from its
// own upwards; nil if there is none.
func (r *Results) Summary(p *scenario.Parameters, seeds int) *Summary {
	var outcomes []Outcome
	for i := range seeds {
		one := *p
		one.Seed += i
		if o, ok := r.outcomes[keyOf(&one)]; ok {
			outcomes = append(outcomes, o)
		}
	}
	if outcomes == nil {
		return nil
	}
	return Summarise(p.Policy, outcomes)
}

// keyOf tells scenarios apart, seeds included.
func keyOf(p *scenario.Parameters) string {
	b, err := json.Marshal(p)
	if err != nil {
		// Only what is not a number fails, and Validate keeps that out.
		return fmt.Sprint(p)
	}
	return string(b)
}
