//go:build linux

package testbed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// machines are control groups, each with a CPU quota of its own: a machine to
// those who are in it. Together they stand above what else runs here, so that it
// takes little of their quotas.
type machines struct {
	tb   testing.TB
	root string
}

const (
	machinePeriod = 100 * time.Millisecond
	// rootShares has the groups weigh as much as twenty processes outside.
	rootShares = 20 * 1024
)

// newMachines skips the test where there can be none.
func newMachines(tb testing.TB) *machines {
	tb.Helper()
	root, err := cpuGroup()
	if err != nil {
		tb.Skipf("machines of this test are control groups with a CPU quota, and none can be made here: %v; run it as root where cgroup v1 has the controller cpu", err)
	}
	m := &machines{tb, root}
	tb.Cleanup(func() { m.clear(root) })
	m.write(root, "cpu.shares", strconv.Itoa(rootShares))
	return m
}

// add makes a machine of so many CPUs.
func (m *machines) add(name string, cpus float64) {
	m.tb.Helper()
	dir := filepath.Join(m.root, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		m.tb.Fatal(err)
	}
	m.tb.Cleanup(func() { m.clear(dir) })
	m.write(dir, "cpu.cfs_period_us", strconv.FormatInt(machinePeriod.Microseconds(), 10))
	m.write(dir, "cpu.cfs_quota_us", strconv.FormatInt(int64(cpus*float64(machinePeriod.Microseconds())), 10))
}

// put puts a process that runs on a machine.
func (m *machines) put(name string, p *process) {
	m.tb.Helper()
	m.write(filepath.Join(m.root, name), "cgroup.procs", strconv.Itoa(p.cmd.Process.Pid))
}

// load runs a shell command on a machine, with all that it starts.
func (m *machines) load(name, command string, env ...string) *process {
	m.tb.Helper()
	cmd := exec.Command("sh", "-c", fmt.Sprintf("echo $$ > %s/cgroup.procs && %s", filepath.Join(m.root, name), command))
	cmd.Env = append(os.Environ(), env...)
	return start(m.tb, nil, nil, new(logBuffer), cmd)
}

// throttled is how long those on a machine had used up its quota.
func (m *machines) throttled(name string) (t time.Duration) {
	m.tb.Helper()
	text, err := os.ReadFile(filepath.Join(m.root, name, "cpu.stat"))
	if err != nil {
		m.tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "throttled_time %d", &t); err == nil {
			return t
		}
	}
	m.tb.Fatalf("cpu.stat of %s: %q", name, text)
	return 0
}

func (m *machines) write(dir, file, text string) {
	m.tb.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
		m.tb.Fatalf("control group: %v", err)
	}
}

// clear ends who is still on a machine, and removes it.
func (m *machines) clear(dir string) {
	for range 100 {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			return // it was never made
		}
		for pid := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(pid); err == nil {
				if p, err := os.FindProcess(n); err == nil {
					_ = p.Kill()
				}
			}
		}
		if err = os.Remove(dir); err == nil {
			return
		}
		<-time.After(10 * time.Millisecond) // who was killed is gone a moment later
	}
	m.tb.Errorf("the control group %s cannot be removed", dir)
}
