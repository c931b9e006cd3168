package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"

	"simone/mib"
)

// The refresh period's range, that of simoneNodeMetricPeriod, and its default.
const (
	MinPeriod     = 100 * time.Millisecond
	MaxPeriod     = time.Hour
	DefaultPeriod = 5 * time.Second
)

// CollectorOptions say what a Collector measures. The zero value is this
// machine, every DefaultPeriod.
type CollectorOptions struct {
	Proc   string        // the proc file system; /proc if empty
	Cgroup string        // the cgroup file systems; /sys/fs/cgroup if empty
	Disk   string        // a path on the file system of disk_used; / if empty
	Period time.Duration // DefaultPeriod if 0
	CPUs   int           // of the machine, for simone_cpu; counted in Proc if 0
	// CPUTime is the CPU time that SIMONE has used, for simone_cpu; that of
	// this process if nil.
	CPUTime func() (time.Duration, error)
	Logger  *slog.Logger // slog.Default() if nil
}

// Collector measures the machine, for one Node or for many in one process.
// What it cannot read it says in Snapshot.Errors and, when that begins and
// ends, in the log; the metrics are then absent rather than zero.
type Collector struct {
	proc    procfs.FS
	disks   blockdevice.FS
	disk    string
	cgroup  cgroup
	cpus    int
	cpuTime func() (time.Duration, error)
	log     *slog.Logger
	numbers map[string]uint32 // of the metrics, by name
	sources []source

	last    last            // owned by who calls Collect
	failing map[string]bool // sources that said so in the log; likewise

	period  atomic.Int64 // nanoseconds
	changed chan struct{}
	current atomic.Pointer[Snapshot]
	collect sync.Mutex // makes Collect one at a time
}

// NewCollector makes a collector that has measured nothing yet.
func NewCollector(o CollectorOptions) (*Collector, error) {
	if o.Proc == "" {
		o.Proc = procfs.DefaultMountPoint
	}
	if o.Cgroup == "" {
		o.Cgroup = "/sys/fs/cgroup"
	}
	if o.Disk == "" {
		o.Disk = "/"
	}
	if o.Period == 0 {
		o.Period = DefaultPeriod
	}
	if o.CPUTime == nil {
		o.CPUTime = processCPUTime
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	proc, err := procfs.NewFS(o.Proc)
	if err != nil {
		return nil, fmt.Errorf("open proc file system: %w", err)
	}
	// Only its proc side is used; the other is not needed but must exist.
	disks, err := blockdevice.NewFS(o.Proc, o.Proc)
	if err != nil {
		return nil, fmt.Errorf("open proc file system: %w", err)
	}
	profile, err := mib.ProfileByName(mib.ProfileSimone)
	if err != nil {
		return nil, fmt.Errorf("make collector: %w", err)
	}
	c := &Collector{
		proc:    proc,
		disks:   disks,
		disk:    o.Disk,
		cgroup:  cgroup{root: o.Cgroup, proc: o.Proc},
		cpus:    o.CPUs,
		cpuTime: o.CPUTime,
		log:     o.Logger,
		numbers: make(map[string]uint32, len(profile.Metrics)),
		failing: make(map[string]bool),
		changed: make(chan struct{}, 1),
	}
	for _, m := range profile.Metrics {
		c.numbers[m.Name] = m.Number
	}
	c.sources = c.allSources()
	if err := c.SetPeriod(o.Period); err != nil {
		return nil, err
	}
	c.current.Store(&Snapshot{numbers: c.numbers})
	return c, nil
}

// Run measures now and then once per period until ctx is done.
func (c *Collector) Run(ctx context.Context) error {
	c.Collect(time.Now())
	timer := time.NewTimer(c.Period())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.changed:
			timer.Reset(c.Period())
		case now := <-timer.C:
			c.Collect(now)
			timer.Reset(c.Period())
		}
	}
}

// Period is the time between measurements.
func (c *Collector) Period() time.Duration { return time.Duration(c.period.Load()) }

// SetPeriod changes the period, MinPeriod to MaxPeriod, from now on: the next
// measurement is one new period away.
func (c *Collector) SetPeriod(d time.Duration) error {
	if d < MinPeriod || d > MaxPeriod {
		return fmt.Errorf("metric period %v is out of range; it is %v to %v", d, MinPeriod, MaxPeriod)
	}
	if c.period.Swap(int64(d)) == int64(d) {
		return nil
	}
	select {
	case c.changed <- struct{}{}:
	default: // Run has yet to see the change before
	}
	return nil
}

// Snapshot is the last measurement. It is never nil, and empty before the
// first.
func (c *Collector) Snapshot() *Snapshot { return c.current.Load() }

// Collect measures once; rates are over the time since the last call. Run
// does it; others call it where no Run does.
func (c *Collector) Collect(now time.Time) *Snapshot {
	c.collect.Lock()
	defer c.collect.Unlock()
	r := &reading{now: now, numbers: c.numbers}
	for _, s := range c.sources {
		err := s.read(r)
		if err != nil {
			err = fmt.Errorf("measure %s: %w", s.name, err)
			r.errors = append(r.errors, err)
		}
		if failed := err != nil; failed != c.failing[s.name] {
			c.failing[s.name] = failed
			if failed {
				c.log.Warn("metrics are missing", "source", s.name, "error", err)
			} else {
				c.log.Info("metrics are back", "source", s.name)
			}
		}
	}
	slices.SortFunc(r.values, func(a, b mib.MetricValue) int { return int(int64(a.Metric) - int64(b.Metric)) })
	s := &Snapshot{At: now, Errors: r.errors, numbers: c.numbers, values: r.values}
	c.current.Store(s)
	return s
}

// Snapshot is one measurement. It does not change and is safe for concurrent
// use.
type Snapshot struct {
	At     time.Time // zero if nothing has been measured yet
	Errors []error   // one for each source that could not be read

	numbers map[string]uint32
	values  []mib.MetricValue // what was measured, in order of number
}

// Value gives a metric of profile simone by name; false if it is absent.
func (s *Snapshot) Value(name string) (float64, bool) {
	number, ok := s.numbers[name]
	if !ok {
		return 0, false
	}
	i, ok := s.search(number)
	if !ok {
		return 0, false
	}
	return s.values[i].Value, true
}

// Values are the metrics measured, in order of number; do not change them.
func (s *Snapshot) Values() []mib.MetricValue { return s.values }

func (s *Snapshot) search(number uint32) (int, bool) {
	return slices.BinarySearchFunc(s.values, number, func(v mib.MetricValue, n uint32) int {
		return int(int64(v.Metric) - int64(n))
	})
}

// reading is a measurement being taken.
type reading struct {
	now     time.Time
	numbers map[string]uint32
	values  []mib.MetricValue
	errors  []error
}

// set notes a value to a thousandth, which is more than any of them means.
func (r *reading) set(name string, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	r.values = append(r.values, mib.MetricValue{Metric: r.numbers[name], Value: math.Round(v*1000) / 1000})
}

var errAbsent = errors.New("the kernel does not say")

// processCPUTime is the user and system time of this process.
func processCPUTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read resource usage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
