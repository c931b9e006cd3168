//go:build linux

package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Of each period a slowed process runs for a tenth.
const (
	slowPeriod = 200 * time.Millisecond
	slowQuota  = slowPeriod / 10
)

// slowed makes a process as slow as one whose machine has other things to do,
// until the returned function is called, and says how.
//
// A cgroup of its own (v1, controller cpu) has a tenth of a core, which the
// process shares with a program that takes all it can get, so that it stands
// still when the quota of a period is used up. Where no cgroup can be made
// the process is stopped and continued by signals, at the same ratio.
func slowed(tb testing.TB, p *process) (how string, restore func()) {
	tb.Helper()
	group, err := cpuGroup()
	if err != nil {
		tb.Logf("no cgroup of the test's own: %v", err)
		return "stopped and continued by signals", dutyCycle(tb, p)
	}
	busy := launch(tb, new(logBuffer), "sh", "-c", "while :; do :; done")
	write := func(file, text string) {
		if err := os.WriteFile(filepath.Join(group, file), []byte(text), 0o600); err != nil {
			tb.Errorf("cgroup: %v", err)
		}
	}
	write("cpu.cfs_period_us", strconv.FormatInt(slowPeriod.Microseconds(), 10))
	write("cpu.cfs_quota_us", strconv.FormatInt(slowQuota.Microseconds(), 10))
	for _, one := range []*process{busy, p} {
		write("cgroup.procs", strconv.Itoa(one.cmd.Process.Pid))
	}
	over := false
	restore = func() {
		if over {
			return
		}
		over = true
		write("cpu.cfs_quota_us", "-1")
		busy.kill()
		if p.running() {
			parent := filepath.Join(filepath.Dir(group), "cgroup.procs")
			if err := os.WriteFile(parent, []byte(strconv.Itoa(p.cmd.Process.Pid)), 0o600); err != nil {
				tb.Errorf("cgroup: %v", err)
			}
		}
		stat, err := os.ReadFile(filepath.Join(group, "cpu.stat"))
		tb.Logf("cgroup: %s %v", strings.Join(strings.Fields(string(stat)), " "), err)
		if err := os.Remove(group); err != nil {
			tb.Errorf("cgroup: %v", err)
		}
	}
	tb.Cleanup(restore)
	return fmt.Sprintf("cgroup with %v of CPU in %v, shared with a busy program", slowQuota, slowPeriod), restore
}

// cpuGroup makes a cgroup below that of the test.
func cpuGroup() (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		// hierarchy:controllers:path
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for c := range strings.SplitSeq(parts[1], ",") {
			if c != "cpu" {
				continue
			}
			own := filepath.Join("/sys/fs/cgroup", parts[1], parts[2])
			if _, err := os.Stat(filepath.Join(own, "cpu.cfs_quota_us")); err != nil {
				return "", err
			}
			return os.MkdirTemp(own, "simone-test-")
		}
	}
	return "", fmt.Errorf("there is no controller cpu of cgroup v1")
}

// dutyCycle stops and continues a process until the returned function is
// called.
func dutyCycle(tb testing.TB, p *process) (restore func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			for _, half := range []struct {
				signal syscall.Signal
				length time.Duration
			}{{syscall.SIGSTOP, slowPeriod - slowQuota}, {syscall.SIGCONT, slowQuota}} {
				_ = p.cmd.Process.Signal(half.signal) // fails if it has ended
				select {
				case <-stop:
					_ = p.cmd.Process.Signal(syscall.SIGCONT)
					return
				case <-time.After(half.length):
				}
			}
		}
	}()
	over := false
	restore = func() {
		if !over {
			over = true
			close(stop)
			<-stopped
		}
	}
	tb.Cleanup(restore)
	return restore
}
