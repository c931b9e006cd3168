package agent

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What SIMONE itself uses is not what it would share a CPU with; a queue
// counts where the CPUs have no time to spare.
func TestCollectorMeasuresContention(t *testing.T) {
	for _, tt := range []struct {
		name               string
		busy, own          float64 // percent
		queue              float64
		cpus               int
		group, quota, stat string
		want               float64
	}{
		{name: "idle", cpus: 1, want: 0},
		{name: "half of one CPU", busy: 50, cpus: 1, want: 0.5},
		{name: "all of it SIMONE's", busy: 50, own: 50, cpus: 1, want: 0},
		{name: "one of two CPUs", busy: 50, queue: 1, cpus: 2, want: 0},
		{name: "three wait for one", busy: 100, queue: 3, cpus: 1, want: 3},
		{name: "a moment's queue where there is time", busy: 20, queue: 3, cpus: 1, want: 0.2},
		{name: "seven for four", busy: 100, queue: 7, cpus: 4, want: 1},
		{name: "a cgroup of half a CPU with a busy process", cpus: 8, group: "4:cpu,cpuacct:/a\n", quota: "50000", stat: "17 (a b) R 1 1", want: 1},
		{name: "a cgroup whose process sleeps", cpus: 8, group: "4:cpu,cpuacct:/a\n", quota: "50000", stat: "17 (a b) S 1 1", want: 0},
		{name: "a cgroup on a machine that others keep busy", busy: 100, queue: 9, cpus: 8, group: "4:cpu,cpuacct:/a\n", quota: "50000", stat: "17 (a b) S 1 1", want: 0},
		{name: "a cgroup without a quota", cpus: 8, group: "4:cpu,cpuacct:/a\n", quota: "-1", stat: "17 (a b) R 1 1", want: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range map[string]string{
				"proc/self/cgroup": tt.group, "proc/17/task/17/stat": "17 (a b) S 1 1", "proc/17/task/18/stat": tt.stat,
				"cpu/a/cpu.cfs_quota_us": tt.quota, "cpu/a/cpu.cfs_period_us": "100000", "cpu/a/cgroup.procs": "17\n",
			} {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			c := mustCollector(t, CollectorOptions{Proc: filepath.Join(root, "proc"), Cgroup: root, CPUs: tt.cpus})
			r := &reading{now: time.Unix(1, 0), numbers: c.numbers}
			r.set("cpu", tt.busy)
			r.set("simone_cpu", tt.own)
			r.set("runqueue", tt.queue)
			if err := c.readContention(r); err != nil {
				t.Fatal(err)
			}
			if got, ok := r.value("load"); !ok || got != tt.want {
				t.Errorf("load %v, want %v", got, tt.want)
			}
			if got, ok := r.value("speed"); !ok || got <= 0 {
				t.Errorf("speed %v", got)
			}
		})
	}
}

// A quota that others use up slows what comes beside them by far more than their
// number; what SIMONE uses up itself is nothing that it would share with.
func TestCollectorMeasuresThrottling(t *testing.T) {
	before := groupLimits{cpus: 0.1, running: 1, periods: 100, throttled: 10}
	for _, tt := range []struct {
		name string
		now  groupLimits
		cpus float64
		want float64
	}{
		{"one process takes all of each period", groupLimits{cpus: 0.1, running: 1, periods: 110, throttled: 20}, 2, 19},
		{"three take it twice as fast", groupLimits{cpus: 0.1, running: 3, periods: 110, throttled: 20}, 2, 79},
		{"in every second period", groupLimits{cpus: 0.1, running: 1, periods: 110, throttled: 15}, 1, 2/0.55 - 1},
		{"never", groupLimits{cpus: 0.1, running: 1, periods: 110, throttled: 10}, 2, 1},
		{"nobody else runs", groupLimits{cpus: 0.1, periods: 110, throttled: 20}, 2, 0},
		{"no period has passed", groupLimits{cpus: 0.1, running: 1, periods: 100, throttled: 10}, 2, 1},
		{"another group", groupLimits{cpus: 0.1, running: 1, periods: 200, throttled: 5}, 2, 1},
		{"as many CPUs as can run at once", groupLimits{cpus: 2, running: 2, periods: 110, throttled: 20}, 8, 2},
	} {
		if got := tt.now.others(before, tt.cpus); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if all, throttled := periods("nr_periods 17\nnr_throttled 5\nthrottled_time 12\n"); all != 17 || throttled != 5 {
		t.Errorf("of a cpu.stat: %d, %d", all, throttled)
	}
}
