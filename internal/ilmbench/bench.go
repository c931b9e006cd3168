package ilmbench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"simone/internal/pollbench"
)

// Config is how much is measured.
type Config struct {
	Devices  int
	Rows     int           // of the table of each device
	Interval time.Duration // of polls of a device
	For      time.Duration // measured, after one interval that is not
	// Farm, Manager and Engine are the commands that run pollbench.RunFarm,
	// RunManager and RunEngine.
	Farm    func(ctx context.Context) *exec.Cmd
	Manager func(ctx context.Context, dir string) *exec.Cmd
	Engine  func(ctx context.Context, devices int, port uint16, interval time.Duration) *exec.Cmd
	// Progress is told what goes on; nil is nobody.
	Progress func(text string)
}

// Cost is what a process has used.
type Cost struct {
	CPU     float64 `json:"cpu_percent"`   // of one core
	Micros  float64 `json:"us_per_object"` // of CPU time
	RSS     float64 `json:"rss_mb"`        // at the end, without the pages of the program's file
	Peak    float64 `json:"rss_peak_mb"`   // with them, at most
	Objects int     `json:"objects"`       // that it was answered
}

// Result is what a run has found.
type Result struct {
	Devices  int     `json:"devices"`
	Objects  int     `json:"objects_per_device"` // beside the time that it has been up
	Interval float64 `json:"interval_seconds"`
	Seconds  float64 `json:"seconds"`
	Polls    float64 `json:"polls_per_second"`
	Manager  Cost    `json:"manager"`
	Engine   Cost    `json:"engine"`
	Own      float64 `json:"own_us_per_object"` // what the manager costs besides the engine
	Reported int     `json:"objects_reported"`  // read from its log by its parent
	Missed   int     `json:"objects_missed"`    // that were due and not in it
	Summed   int     `json:"objects_summed"`    // in its aggregates at the end
	LateP99  float64 `json:"late_p99_ms"`
}

// process is a child that works until its standard input ends.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func begin(cmd *exec.Cmd) (*process, string, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	p := &process{cmd, in, bufio.NewReader(out)}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("it said nothing: %w", err), p.end())
	}
	return p, strings.TrimSpace(line), nil
}

func (p *process) end() error {
	_ = p.in.Close() // it may have ended
	_, _ = io.Copy(io.Discard, p.out)
	return p.cmd.Wait()
}

// Run measures.
func Run(ctx context.Context, cfg Config) (result Result, err error) {
	say := cfg.Progress
	if say == nil {
		say = func(string) {}
	}
	objects := cfg.Rows * pollbench.OtherColumns
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "simone-bench-")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	farm, line, err := begin(cfg.Farm(ctx))
	if err != nil {
		return result, fmt.Errorf("farm: %w", err)
	}
	defer func() { err = errors.Join(err, farm.end()) }()
	port, err := strconv.ParseUint(line, 10, 16)
	if err != nil {
		return result, fmt.Errorf("farm: %w", err)
	}
	managed, line, err := begin(cfg.Manager(ctx, dir))
	if err != nil {
		return result, fmt.Errorf("manager: %w", err)
	}
	defer func() { err = errors.Join(err, managed.end()) }()
	at, err := netip.ParseAddrPort(line)
	if err != nil {
		return result, fmt.Errorf("manager: %w", err)
	}
	poller, err := openPoller()
	if err != nil {
		return result, err
	}
	ended := make(chan error, 1)
	asking, done := context.WithCancel(ctx)
	go func() { ended <- poller.Run(asking) }()
	defer func() { done(); err = errors.Join(err, <-ended) }()
	p := &parent{poller: poller, at: at}
	say(fmt.Sprintf("giving the manager %d devices", cfg.Devices))
	if err := p.promote(ctx, cfg.Devices, uint16(port), cfg.Interval, time.Now().Add(time.Duration(cfg.Devices)*staging)); err != nil {
		return result, err
	}
	alone, _, err := begin(cfg.Engine(ctx, cfg.Devices, uint16(port), cfg.Interval))
	if err != nil {
		return result, fmt.Errorf("engine: %w", err)
	}
	over := false
	defer func() {
		if !over {
			err = errors.Join(err, alone.end())
		}
	}()
	say(fmt.Sprintf("an interval of %v passes that is not measured", cfg.Interval))
	if err := p.follow(ctx, cfg.Interval+time.Duration(cfg.Devices)*staging); err != nil {
		return result, err
	}
	before, err := usages(managed, alone)
	if err != nil {
		return result, err
	}
	say(fmt.Sprintf("measuring for %v", cfg.For))
	began, values, records := time.Now(), p.values, p.records
	if err := p.follow(ctx, cfg.For); err != nil {
		return result, err
	}
	after, err := usages(managed, alone)
	if err != nil {
		return result, err
	}
	took := time.Since(began).Seconds()
	result = Result{
		Devices: cfg.Devices, Objects: objects, Interval: cfg.Interval.Seconds(), Seconds: took,
		Polls: float64(p.records-records) / took, Reported: p.values - values,
	}
	due := float64(cfg.Devices) * took / cfg.Interval.Seconds()
	if missed := int(due)*objects - result.Reported; missed > int(due)*objects/100 || p.lost > 0 { // the window's ends do not fall on polls
		result.Missed = missed
	}
	if result.Summed, err = p.aggregates(ctx); err != nil {
		return result, err
	}
	late, err := p.lateness(ctx)
	if err != nil {
		return result, err
	}
	result.LateP99 = float64(late) / float64(time.Millisecond)
	over = true
	answered, err := alone.tell(objects)
	if err != nil {
		return result, fmt.Errorf("engine: %w", err)
	}
	result.Manager = cost(before[0], after[0], took, result.Reported)
	// The engine is asked for its count at its end only, and goes at the pace
	// that was asked for.
	share := int(due) * objects
	if answered < share {
		share = answered
	}
	result.Engine = cost(before[1], after[1], took, share)
	result.Own = result.Manager.Micros - result.Engine.Micros
	return result, nil
}

// tell ends the engine and reads how many objects it was answered in all.
func (p *process) tell(objects int) (answered int, err error) {
	_ = p.in.Close()
	line, err := p.out.ReadString('\n')
	if e := p.cmd.Wait(); err == nil {
		err = e
	}
	if err != nil {
		return 0, err
	}
	var failed int
	if _, err := fmt.Sscan(line, &answered, &failed); err != nil {
		return 0, err
	}
	if failed*objects*100 > answered {
		return 0, fmt.Errorf("%d polls failed, and %d objects were answered", failed, answered)
	}
	return answered, nil
}

// staging is what giving the manager one device takes at most.
const staging = 500 * time.Microsecond

// trigger is how often the parent reads, and sums how often it reads the
// aggregates.
const (
	trigger = 10 * time.Second
	sums    = time.Minute
)

// follow reads the manager's log every trigger, for a while.
func (p *parent) follow(ctx context.Context, d time.Duration) error {
	next := time.NewTicker(trigger)
	defer next.Stop()
	end := time.NewTimer(d)
	defer end.Stop()
	summed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-end.C:
			return p.read(ctx)
		case <-next.C:
		}
		if err := p.read(ctx); err != nil {
			return err
		}
		if time.Since(summed) < sums {
			continue
		}
		summed = time.Now()
		if _, err := p.aggregates(ctx); err != nil {
			return err
		}
	}
}

func usages(all ...*process) (u []pollbench.Usage, err error) {
	for _, p := range all {
		one, err := pollbench.UsageOf(p.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		u = append(u, one)
	}
	return u, nil
}

func cost(before, after pollbench.Usage, seconds float64, objects int) Cost {
	cpu := (after.CPU - before.CPU).Seconds()
	return Cost{
		CPU: 100 * cpu / seconds, Micros: cpu * 1e6 / float64(max(objects, 1)), Objects: objects,
		RSS: float64(after.Own) / (1 << 20), Peak: float64(after.Peak) / (1 << 20),
	}
}
