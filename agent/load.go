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
// slower, with those who are in it and nobody else; whoever is given a quota can
// have it, whatever others do meanwhile. Where those in it have used it up nothing
// runs until the next period begins, which is as if there were as many more.
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
	g, grouped := c.cgroup.limits()
	if grouped {
		others = g.others(c.last.group, cpus)
		cpus = min(cpus, g.cpus)
		speed *= min(cpus, 1)
	}
	c.last.group = g
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
	cpus      float64
	running   int    // threads of its other processes that run or are ready to
	periods   uint64 // in which any of its processes ran, so far
	throttled uint64 // of them: in which the quota was used up
}

// others gives with how many processes another one would share a machine of so
// many CPUs; before is what the last measurement said.
func (l groupLimits) others(before groupLimits, cpus float64) float64 {
	k := float64(l.running)
	if k == 0 || before.periods == 0 || l.periods <= before.periods || l.throttled < before.throttled {
		return k
	}
	short := min(float64(l.throttled-before.throttled)/float64(l.periods-before.periods), 1)
	runs := min(l.cpus/min(k, max(cpus, 1)), 1) // of a period whose quota is used up
	return (1+k)/(1-short*(1-runs)) - 1
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
			l.periods, l.throttled = periods(read(dir, "cpu.stat"))
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

// periods reads a cpu.stat, which is alike in both versions.
func periods(text string) (all, throttled uint64) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseUint(value, 10, 64)
		switch {
		case err != nil:
		case name == "nr_periods":
			all = n
		case name == "nr_throttled":
			throttled = n
		}
	}
	return all, throttled
}

// running counts the threads that run or are ready to, but for those of this
// process: what state a process is said to be in is that of its first thread,
// which may wait for the others.
func (g cgroup) running(pids string) (n int) {
	for pid := range strings.FieldsSeq(pids) {
		if pid == strconv.Itoa(os.Getpid()) {
			continue
		}
		threads, err := os.ReadDir(filepath.Join(g.proc, pid, "task"))
		if err != nil {
			continue // it has ended
		}
		for _, t := range threads {
			stat := read(filepath.Join(g.proc, pid, "task", t.Name()), "stat")
			after := strings.LastIndex(stat, ")") // the name before it may have anything in it
			if after >= 0 && strings.HasPrefix(stat[after+1:], " R") {
				n++
			}
		}
	}
	return n
}
