package pollbench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config is how much is measured.
type Config struct {
	Targets     int // agents
	Polls       int // of each way in each repetition, at least
	Repetitions int // interleaved; medians count
	// Farm and Client are the commands that run RunFarm and RunClient; the
	// latter gets a way's name, the number of targets and the farm's port.
	Farm   func(ctx context.Context) *exec.Cmd
	Client func(ctx context.Context, name string, targets int, port uint16) *exec.Cmd
}

// Case is what one way to poll has cost: medians of the repetitions.
type Case struct {
	Name     string  `json:"name"`
	Micros   float64 `json:"us_per_poll"`        // of the client's CPU
	User     float64 `json:"user_us_per_poll"`   // of these, outside the kernel
	System   float64 `json:"system_us_per_poll"` // and in it
	Least    float64 `json:"least_us_per_poll"`  // in the best repetition
	Ratio    float64 `json:"ratio_to_floor"`     // of the same repetition
	Allocs   float64 `json:"allocs_per_poll"`
	RSS      float64 `json:"rss_mb"`       // without the pages of the program's file
	RSSTotal float64 `json:"rss_total_mb"` // with them
	Objects  float64 `json:"objects_per_cpu_second"`
	Failed   int     `json:"failed"`                // polls without the right answer, of all repetitions
	LateP99  float64 `json:"late_p99_ms,omitempty"` // of the paced ones
	Measured int     `json:"polls"`
}

// Result is what a run has found.
type Result struct {
	Targets     int    `json:"targets"`
	Repetitions int    `json:"repetitions"`
	Cases       []Case `json:"cases"`
}

// Run measures all ways.
func Run(ctx context.Context, cfg Config) (result Result, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	farm, err := begin(cfg.Farm(ctx))
	if err != nil {
		return result, fmt.Errorf("farm: %w", err)
	}
	defer func() { err = errors.Join(err, farm.end()) }()
	line, err := farm.out.ReadString('\n')
	if err != nil {
		return result, fmt.Errorf("farm: %w", err)
	}
	port, err := strconv.ParseUint(strings.TrimSpace(line), 10, 16)
	if err != nil {
		return result, fmt.Errorf("farm: %w", err)
	}
	all := ways()
	clients := make([]*process, 0, len(all))
	defer func() {
		for _, c := range clients {
			err = errors.Join(err, c.end())
		}
	}()
	runs := make([][]measured, len(all))
	for _, w := range all {
		c, err := begin(cfg.Client(ctx, w.name, cfg.Targets, uint16(port)))
		if err != nil {
			return result, fmt.Errorf("%s: %w", w.name, err)
		}
		clients = append(clients, c)
		if _, err := c.ask(1); err != nil { // warm up: discovery, tables, caches
			return result, fmt.Errorf("%s: %w", w.name, err)
		}
	}
	rounds := max(1, cfg.Polls/cfg.Targets)
	for range cfg.Repetitions {
		for i, c := range clients {
			m, err := c.ask(rounds)
			if err != nil {
				return result, fmt.Errorf("%s: %w", all[i].name, err)
			}
			runs[i] = append(runs[i], m)
		}
	}
	return summary(cfg, all, runs), nil
}

func summary(cfg Config, all []way, runs [][]measured) Result {
	r := Result{Targets: cfg.Targets, Repetitions: cfg.Repetitions}
	floors := make(map[string][]measured)
	for i, w := range all {
		if w.name == w.floor {
			floors[w.name] = runs[i]
		}
		c := Case{
			Name:    w.name,
			Micros:  median(runs[i], measured.micros),
			User:    median(runs[i], func(m measured) float64 { return m.each(m.User) }),
			System:  median(runs[i], func(m measured) float64 { return m.each(m.System) }),
			Allocs:  median(runs[i], func(m measured) float64 { return float64(m.Mallocs) / float64(m.Polls) }),
			RSS:     median(runs[i], func(m measured) float64 { return float64(m.Own) / (1 << 20) }),
			LateP99: median(runs[i], func(m measured) float64 { return float64(m.Late) / float64(time.Millisecond) }),
		}
		c.RSSTotal = median(runs[i], func(m measured) float64 { return float64(m.RSS) / (1 << 20) })
		c.Least = c.Micros
		for _, m := range runs[i] {
			c.Least = min(c.Least, m.micros())
			c.Failed += m.Failed
			c.Measured += m.Polls
		}
		c.Objects = float64(w.objects) * 1e6 / c.Micros
		c.Ratio = medianOf(len(runs[i]), func(n int) float64 { return runs[i][n].micros() / floors[w.floor][n].micros() })
		r.Cases = append(r.Cases, c)
	}
	return r
}

// micros is what a poll has cost.
func (m measured) micros() float64 { return m.each(m.User + m.System) }

// each is a time for all polls in microseconds for one.
func (m measured) each(all time.Duration) float64 {
	return float64(all) / float64(time.Microsecond) / float64(m.Polls)
}

func median(runs []measured, of func(measured) float64) float64 {
	return medianOf(len(runs), func(i int) float64 { return of(runs[i]) })
}

func medianOf(n int, of func(int) float64) float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = of(i)
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// process is a farm or a client.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func begin(cmd *exec.Cmd) (*process, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd, in, bufio.NewReader(out)}, nil
}

// ask has a client make rounds.
func (p *process) ask(rounds int) (m measured, err error) {
	if _, err := fmt.Fprintln(p.in, rounds); err != nil {
		return m, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(line, &m)
}

// end closes what the process reads, at which it ends, and waits.
func (p *process) end() error {
	_ = p.in.Close() // it may have ended
	_, _ = io.Copy(io.Discard, p.out)
	return p.cmd.Wait()
}
