package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"simone/mib"
)

// This file says what a manager's work would share a CPU with on this machine,
// and how fast the CPU is: by that managers choose who becomes an ILM.

// readContention gives the processes that one more would share each CPU with,
// and the CPU's speed. Where there is time to spare that is what the others
// took in the mean since the last measurement; where there is none it is how
// many want to run. A cgroup with a quota is a machine of its own: so much
// slower, with those who are in it.
func (c *Collector) readContention(r *reading) error {
	cpus := float64(c.cpus)
	share, measured := r.value("cpu")
	queue, known := r.value("runqueue")
	if cpus == 0 || !known {
		return nil // who was to measure that has said why
	}
	own, _ := r.value("simone_cpu")
	others := max(share-own, 0) / 100 * cpus
	if !measured || share >= saturated {
		others = max(others, queue)
	}
	speed := cpuSpeed()
	if g, ok := c.cgroup.limits(); ok {
		others = max(others, float64(g.running))
		cpus = min(cpus, g.cpus)
		speed *= min(cpus, 1)
	}
	r.set(mib.MetricLoad, max((1+others)/max(cpus, 1)-1, 0))
	r.set(mib.MetricSpeed, 100*speed)
	return nil
}

// saturated is from which share of the CPUs' time on there is none to spare.
const saturated = 95

// value gives a metric of the same reading.
func (r *reading) value(name string) (float64, bool) {
	for _, v := range r.values {
		if v.Metric == r.numbers[name] {
			return v.Value, true
		}
	}
	return 0, false
}

// cpuSpeed is how fast this machine's CPU is, 1 being one that takes a
// nanosecond for a dependent multiplication of 64 bits. It is measured once,
// in about a millisecond; the best of some runs, so that what else runs does
// not count.
var cpuSpeed = sync.OnceValue(func() float64 {
	const steps, runs = 1 << 16, 8
	best, x := time.Duration(1<<62), uint64(1)
	for range runs {
		began := time.Now()
		for range steps {
			x = x*6364136223846793005 + 1442695040888963407
		}
		best = min(best, max(time.Since(began), 1))
	}
	if x == 0 { // x is used
		return 1
	}
	return float64(steps*time.Nanosecond) / float64(best)
})

// cgroup is where the kernel shows the control group of this process.
type cgroup struct {
	root string // of the cgroup file systems
	proc string // the proc file system
}

// groupLimits are what a group may use, and who wants it.
type groupLimits struct {
	cpus    float64
	running int // its other processes that run or are ready to
}

// limits gives those of this process's group; ok is false if it has no quota.
func (g cgroup) limits() (l groupLimits, ok bool) {
	own, err := os.ReadFile(filepath.Join(g.proc, "self", "cgroup"))
	if err != nil {
		return l, false
	}
	for line := range strings.Lines(string(own)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		var dir string
		switch {
		case parts[0] == "0" && parts[1] == "": // version 2
			dir = filepath.Join(g.root, parts[2])
			l.cpus, ok = quota(read(dir, "cpu.max"))
		case hasController(parts[1], "cpu"):
			dir = filepath.Join(g.root, "cpu", parts[2])
			l.cpus, ok = quota(read(dir, "cpu.cfs_quota_us") + " " + read(dir, "cpu.cfs_period_us"))
		}
		if ok {
			l.running = g.running(read(dir, "cgroup.procs"))
			return l, true
		}
	}
	return l, false
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

func read(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// quota is how many CPUs "quota period", both in microseconds, allow.
func quota(text string) (cpus float64, ok bool) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return 0, false
	}
	most, err1 := strconv.ParseFloat(fields[0], 64) // "max" or -1: none
	period, err2 := strconv.ParseFloat(fields[1], 64)
	if err1 != nil || err2 != nil || most <= 0 || period <= 0 {
		return 0, false
	}
	return most / period, true
}

// running counts the processes that run or are ready to, but for this one.
func (g cgroup) running(pids string) (n int) {
	for pid := range strings.FieldsSeq(pids) {
		stat := read(filepath.Join(g.proc, pid), "stat")
		after := strings.LastIndex(stat, ")") // the name before it may have anything in it
		if pid != strconv.Itoa(os.Getpid()) && after >= 0 && strings.HasPrefix(stat[after+1:], " R") {
			n++
		}
	}
	return n
}
