package faults

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// Scenario is a tree, how it is run, and all that happens to it. The same
// scenario gives the same run.
type Scenario struct {
	Seed       uint64 // of what the network does and of numbers that processes choose
	Nodes      int    // below the top
	Candidates int    // the first of them, which can become ILMs
	Levels     int    // of ILMs: 1 to 3
	ILMs       int    // how many the top keeps at least
	Start      int    // with how many it begins
	Below      int    // how many each ILM keeps below itself, if Levels is above 1
	Policy     string
	Trigger    time.Duration
	Interval   time.Duration // of polls
	Probe      time.Duration
	Misses     int
	Churn      float64
	Ban        time.Duration
	Patience   time.Duration // how long a poll waits for its answer
	SlowPolls  time.Duration // an answered poll takes up to this much longer
	LogRecords int           // that a list keeps until acknowledged
	LogRead    int           // records that one reading brings
	MostLevels int           // that forks may put below each ILM; 0: there are none
	FanIn      int           // ILMs right below a manager at most; 0: as many as it can serve
	Capacity   int           // rows that an ILM polls at most; 0: any number
	ChildTakes time.Duration // of a trigger, to serve one ILM right below; 0: nothing to speak of
	DriftPPM   int           // clocks are up to so many millionths fast or slow
	PollsPass  bool          // no poll is ever lost: what is missing then was lost by a move
	Abandon    bool          // what is broken at the end stays broken
	Kill       int           // of the ILMs at the end, by which I1 is timed; 0: none
	Calm       time.Duration // when the faults end
	End        time.Duration // when all is judged
	Without    reconfig.Guards
	Faults     []Fault // by time
}

// settings are the top's.
func (s *Scenario) settings() reconfig.Settings {
	set := reconfig.DefaultSettings()
	set.Policy, set.Trigger, set.Interval, set.Probe, set.Misses = s.Policy, s.Trigger, s.Interval, s.Probe, s.Misses
	set.StartILMs, set.MinILMs, set.Churn, set.BanFor, set.Without = s.Start, s.ILMs, s.Churn, s.Ban, s.Without
	if s.Levels > 1 {
		set.Levels, set.Below = s.Levels-1, s.Below
	}
	set.MostLevels, set.FanIn = s.MostLevels, s.FanIn
	return set
}

// drift is by how many millionths a machine's clock is fast.
func (s *Scenario) drift(machine int) int64 {
	if s.DriftPPM == 0 {
		return 0
	}
	return int64((machine*7919+int(s.Seed%1009))%(2*s.DriftPPM+1) - s.DriftPPM)
}

// Triggers is how many triggers the scenario lasts.
func (s *Scenario) Triggers() int { return int(s.End / s.Trigger) }

// Harms counts the faults that are neither wishes nor load, nor ends of others.
func (s *Scenario) Harms() (n int) {
	for _, f := range s.Faults {
		if f.Kind.harms() {
			n++
		}
	}
	return n
}

// header is the first line of a scenario's text.
const header = "simone faults 1"

// field is one line of a scenario's text: a name and a value.
type field struct {
	name string
	at   any // points at it
}

func (s *Scenario) fields() []field {
	return []field{
		{"seed", &s.Seed}, {"nodes", &s.Nodes}, {"candidates", &s.Candidates}, {"levels", &s.Levels}, {"ilms", &s.ILMs}, {"start", &s.Start},
		{"below", &s.Below}, {"policy", &s.Policy}, {"trigger", &s.Trigger}, {"interval", &s.Interval}, {"probe", &s.Probe}, {"misses", &s.Misses},
		{"churn", &s.Churn}, {"ban", &s.Ban}, {"patience", &s.Patience}, {"slow-polls", &s.SlowPolls}, {"log-records", &s.LogRecords},
		{"most-levels", &s.MostLevels}, {"fan-in", &s.FanIn}, {"capacity", &s.Capacity}, {"child-takes", &s.ChildTakes},
		{"log-read", &s.LogRead}, {"drift-ppm", &s.DriftPPM}, {"polls-pass", &s.PollsPass}, {"abandon", &s.Abandon}, {"kill", &s.Kill},
		{"calm", &s.Calm}, {"end", &s.End}, {"without", &s.Without},
	}
}

// WriteTo writes the scenario as a text that Parse reads.
func (s *Scenario) WriteTo(to io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintln(&b, header)
	for _, f := range s.fields() {
		switch v := f.at.(type) {
		case *uint64:
			fmt.Fprintln(&b, f.name, *v)
		case *int:
			fmt.Fprintln(&b, f.name, *v)
		case *string:
			fmt.Fprintln(&b, f.name, *v)
		case *float64:
			fmt.Fprintln(&b, f.name, *v)
		case *bool:
			fmt.Fprintln(&b, f.name, *v)
		case *time.Duration:
			fmt.Fprintln(&b, f.name, *v)
		case *reconfig.Guards:
			if *v != 0 {
				fmt.Fprintln(&b, f.name, *v)
			}
		}
	}
	for _, f := range s.Faults {
		fmt.Fprintln(&b, "fault", f)
	}
	n, err := io.WriteString(to, b.String())
	return int64(n), err
}

// String is the scenario's text.
func (s *Scenario) String() string {
	var b strings.Builder
	_, _ = s.WriteTo(&b) // a Builder takes all
	return b.String()
}

// Parse reads a scenario's text. An error names the line.
func Parse(from io.Reader) (*Scenario, error) {
	s := &Scenario{}
	lines := bufio.NewScanner(from)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#':
			continue
		case number == 1:
			if line != header {
				return nil, fmt.Errorf("line 1: %q is not %q: this is no scenario of faults, or one of another version", line, header)
			}
			continue
		}
		if err := s.parseLine(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(s.Faults, func(a, b Fault) int { return int(a.At - b.At) })
	return s, s.Validate()
}

func (s *Scenario) parseLine(line string) error {
	name, value, _ := strings.Cut(line, " ")
	if name == "fault" {
		f, err := parseFault(value)
		s.Faults = append(s.Faults, f)
		return err
	}
	fields := s.fields()
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return fmt.Errorf("a scenario has no %q", name)
	}
	var err error
	switch v := fields[i].at.(type) {
	case *uint64:
		*v, err = strconv.ParseUint(value, 10, 64)
	case *int:
		*v, err = strconv.Atoi(value)
	case *string:
		*v = value
	case *float64:
		*v, err = strconv.ParseFloat(value, 64)
	case *bool:
		*v, err = strconv.ParseBool(value)
	case *time.Duration:
		*v, err = time.ParseDuration(value)
	case *reconfig.Guards:
		for _, name := range strings.Split(value, ",") {
			var r reconfig.Guards
			if r, err = reconfig.GuardByName(name); err != nil {
				break
			}
			*v |= r
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Validate says what is wrong with a scenario.
func (s *Scenario) Validate() error {
	switch {
	case s.Nodes < 1 || s.Nodes > 10_000:
		return fmt.Errorf("%d nodes: write 1 to 10000", s.Nodes)
	case s.Candidates < 0 || s.Candidates > s.Nodes:
		return fmt.Errorf("%d candidates of %d nodes: write 0 to %d", s.Candidates, s.Nodes, s.Nodes)
	case s.Levels < 1 || s.Levels > 3:
		return fmt.Errorf("%d levels of ILMs: write 1, 2 or 3", s.Levels)
	case s.MostLevels < 0 || s.MostLevels >= mib.Levels:
		return fmt.Errorf("most-levels %d: write 0 to %d", s.MostLevels, mib.Levels-1)
	case s.FanIn < 0 || s.Capacity < 0 || s.ChildTakes < 0:
		return fmt.Errorf("fan-in %d, capacity %d and child-takes %v: write nothing below 0", s.FanIn, s.Capacity, s.ChildTakes)
	case s.Patience <= 0 || s.LogRead < 1 || s.LogRecords < 1:
		return fmt.Errorf("patience %v, log-read %d and log-records %d must be positive", s.Patience, s.LogRead, s.LogRecords)
	case s.Calm <= 0 || s.End <= s.Calm:
		return fmt.Errorf("the faults end at %v and all at %v: the end must be later", s.Calm, s.End)
	}
	if err := s.settings().Validate(); err != nil {
		return err
	}
	return nil
}
