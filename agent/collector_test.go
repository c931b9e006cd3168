package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
)

// boot is the btime of the fixtures.
var boot = time.Unix(1_700_000_000, 0)

// procFiles is a small machine with two CPUs: a disk with a partition, a
// device mapper volume on it, two interfaces and loopback.
func procFiles() map[string]string {
	return map[string]string{
		"loadavg": "0.50 1.25 2.75 3/420 8627\n",
		"stat": `cpu  1000 0 500 8000 500 0 0 0 0 0
cpu0 500 0 250 4000 250 0 0 0 0 0
cpu1 500 0 250 4000 250 0 0 0 0 0
btime 1700000000
procs_running 4
procs_blocked 0
`,
		"meminfo": `MemTotal:       2048 kB
MemFree:         100 kB
MemAvailable:   1024 kB
SwapTotal:       512 kB
SwapFree:        128 kB
`,
		"diskstats": `   7       0 loop0 9 9 9999 9 9 9 9999 9 0 9 9
   8       0 sda 10 0 1000 5 20 0 2000 6 0 7 8
   8       1 sda1 10 0 1000 5 20 0 2000 6 0 7 8
 253       0 dm-0 10 0 1000 5 20 0 2000 6 0 7 8
 259       0 nvme0n1 1 0 100 5 1 0 100 6 0 7 8
 259       1 nvme0n1p1 1 0 100 5 1 0 100 6 0 7 8
`,
		"net/dev": `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  777777      29    0    0    0     0          0         0   777777      29    0    0    0     0       0          0
  eth0:   10000      20    0    0    0     0          0         0    20000      20    0    0    0     0       0          0
 veth1:   55555      20    0    0    0     0          0         0    55555      20    0    0    0     0       0          0
`,
		"42/stat": "42 (simoned) S 1 42 42 0 -1 4194560 1000 0 0 0 150 50 0 0 20 0 8 0 100 104857600 256 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
	}
}

// mustProc writes a proc file system and returns its root.
func mustProc(tb testing.TB, files map[string]string) string {
	tb.Helper()
	root := tb.TempDir()
	mustUpdate(tb, root, files)
	if err := os.Symlink("42", filepath.Join(root, "self")); err != nil {
		tb.Fatal(err)
	}
	return root
}

func mustUpdate(tb testing.TB, root string, files map[string]string) {
	tb.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}

// fakeCPU is the CPU time that SIMONE has used.
type fakeCPU struct {
	used time.Duration
	err  error
}

func (f *fakeCPU) time() (time.Duration, error) { return f.used, f.err }

func mustCollector(tb testing.TB, o CollectorOptions) *Collector {
	tb.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := NewCollector(o)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestCollectorMeasures(t *testing.T) {
	root := mustProc(t, procFiles())
	own := &fakeCPU{used: 7 * time.Second}
	c := mustCollector(t, CollectorOptions{Proc: root, CPUTime: own.time})
	if s := c.Snapshot(); !s.At.IsZero() || len(s.Values()) != 0 {
		t.Errorf("a snapshot before the first measurement: %+v", s)
	}

	at := boot.Add(1000 * time.Second)
	s := c.Collect(at)
	for _, err := range s.Errors {
		t.Error(err)
	}
	checkValues(t, s, map[string]float64{
		"load1": 0.5, "load5": 1.25, "load15": 2.75,
		"runqueue": 3, "uptime": 1000,
		"mem_total": 2048 * 1024, "mem_available": 1024 * 1024, "swap_used": 384 * 1024,
		"simone_rss": float64(256 * os.Getpagesize()),
	}, "cpu", "disk_read", "disk_write", "net_in", "net_out", "simone_cpu") // rates need two readings
	if used, ok := s.Value("disk_used"); !ok || used <= 0 || used > 100 {
		t.Errorf("disk_used %v, %v", used, ok)
	}

	// Two seconds later: 300 of 400 ticks busy, 100 sectors read and 400
	// written on sda, and interface eth1 is new.
	files := procFiles()
	files["stat"] = strings.Replace(files["stat"], "cpu  1000 0 500 8000 500", "cpu  1200 0 600 8050 550", 1)
	files["diskstats"] = strings.ReplaceAll(files["diskstats"], "1000 5 20 0 2000", "1100 5 20 0 2400")
	files["net/dev"] = strings.Replace(files["net/dev"], "   10000      20    0    0    0     0          0         0    20000",
		"   14000      20    0    0    0     0          0         0    21000", 1) +
		"  eth1:  999999      20    0    0    0     0          0         0   999999      20    0    0    0     0       0          0\n"
	mustUpdate(t, root, files)
	own.used += time.Second // of 2 s x 2 CPUs
	s = c.Collect(at.Add(2 * time.Second))
	checkValues(t, s, map[string]float64{
		"cpu": 75, "uptime": 1002, "simone_cpu": 25,
		"disk_read": 100 * 512 / 2, "disk_write": 400 * 512 / 2,
		"net_in": 2000, "net_out": 500,
	})
	if c.Snapshot() != s {
		t.Error("Snapshot is not the last measurement")
	}
}

func checkValues(t *testing.T, s *Snapshot, want map[string]float64, absent ...string) {
	t.Helper()
	for name, v := range want {
		if got, ok := s.Value(name); !ok || math.Abs(got-v) > 1e-3 {
			t.Errorf("%s = %v (present: %v), want %v", name, got, ok, v)
		}
	}
	for _, name := range absent {
		if got, ok := s.Value(name); ok {
			t.Errorf("%s = %v, want it absent", name, got)
		}
	}
}

// What cannot be read is absent and says why; the rest is measured.
func TestCollectorFailsInParts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		files  map[string]string // replaced; empty text removes the file
		absent []string
		want   string
	}{
		{"no loadavg", map[string]string{"loadavg": ""}, []string{"load1", "load5", "load15"}, "measure load: "},
		{"garbage in loadavg", map[string]string{"loadavg": "a b c\n"}, []string{"load1"}, "measure load: "},
		{"no stat", map[string]string{"stat": ""}, []string{"cpu", "runqueue", "uptime"}, "measure cpu: "},
		{"old kernel", map[string]string{"meminfo": "MemTotal: 5 kB\n"}, []string{"mem_total", "mem_available", "swap_used"}, "measure memory: MemTotal or MemAvailable"},
		{"no disk", map[string]string{"diskstats": "   7       0 loop0 9 9 9999 9 9 9 9999 9 0 9 9\n"}, []string{"disk_read", "disk_write"}, "measure disk traffic: no disk is listed"},
		{"loopback alone", map[string]string{"net/dev": strings.Join(strings.Split(procFiles()["net/dev"], "\n")[:3], "\n") + "\n"}, []string{"net_in", "net_out"}, "measure network: no interface but loopback"},
		{"no self", map[string]string{"42/stat": ""}, []string{"simone_rss"}, "measure simone memory: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := mustProc(t, procFiles())
			for name, text := range tc.files {
				if text == "" {
					if err := os.Remove(filepath.Join(root, name)); err != nil {
						t.Fatal(err)
					}
				} else {
					mustUpdate(t, root, map[string]string{name: text})
				}
			}
			c := mustCollector(t, CollectorOptions{Proc: root, CPUs: 2})
			c.Collect(boot)
			s := c.Collect(boot.Add(time.Second))
			checkValues(t, s, nil, tc.absent...)
			if err := errors.Join(s.Errors...); err == nil || len(s.Errors) != 1 || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("errors %v, want one with %q", s.Errors, tc.want)
			}
			if len(s.Values()) < 8 {
				t.Errorf("only %d metrics are left", len(s.Values()))
			}
		})
	}
}

// A failure is logged when it begins and when it ends, not every period, and
// a rate does not span it.
func TestCollectorLogsFailuresOnce(t *testing.T) {
	var log bytes.Buffer
	own := &fakeCPU{}
	c := mustCollector(t, CollectorOptions{Proc: mustProc(t, procFiles()), CPUTime: own.time,
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	c.Collect(boot)
	own.err = errors.New("broken")
	for i := range 3 {
		s := c.Collect(boot.Add(time.Duration(i+1) * time.Second))
		checkValues(t, s, nil, "simone_cpu")
	}
	own.err, own.used = nil, time.Hour
	checkValues(t, c.Collect(boot.Add(4*time.Second)), nil, "simone_cpu")
	own.used += time.Second
	checkValues(t, c.Collect(boot.Add(5*time.Second)), map[string]float64{"simone_cpu": 50})
	if n := strings.Count(log.String(), "metrics are missing"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, &log)
	}
	if n := strings.Count(log.String(), "metrics are back"); n != 1 {
		t.Errorf("the end was logged %d times:\n%s", n, &log)
	}
}

// Counters that begin again, as after a driver was loaded anew, make no rate.
func TestCollectorCounterReset(t *testing.T) {
	root := mustProc(t, procFiles())
	c := mustCollector(t, CollectorOptions{Proc: root})
	c.Collect(boot)
	files := procFiles()
	files["net/dev"] = strings.Replace(files["net/dev"], "   10000 ", "       5 ", 1)
	mustUpdate(t, root, files)
	checkValues(t, c.Collect(boot.Add(time.Second)), map[string]float64{"net_in": 0, "net_out": 0})
}

func TestCollectorRunsAtItsPeriod(t *testing.T) {
	root := mustProc(t, procFiles())
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		c := mustCollector(t, CollectorOptions{Proc: root, Period: 10 * time.Second})
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		start := time.Now()
		check := func(elapsed, want time.Duration) {
			t.Helper()
			time.Sleep(time.Until(start.Add(elapsed)))
			synctest.Wait()
			if got := c.Snapshot().At.Sub(start); got != want {
				t.Errorf("after %v the last measurement is of %v, want %v", elapsed, got, want)
			}
		}
		check(time.Second, 0)
		check(9*time.Second, 0)
		check(10*time.Second, 10*time.Second)
		if err := c.SetPeriod(time.Second); err != nil {
			t.Fatal(err)
		}
		check(12*time.Second, 12*time.Second)
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestCollectorRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    CollectorOptions
		want string
	}{
		{"no proc", CollectorOptions{Proc: "/nowhere"}, "/nowhere"},
		{"too often", CollectorOptions{Period: time.Millisecond}, "metric period 1ms is out of range; it is 100ms to 1h0m0s"},
		{"too rarely", CollectorOptions{Period: 2 * time.Hour}, "out of range"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := NewCollector(tc.o)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// The real machine: what is always there must be measured.
func TestCollectorOnThisMachine(t *testing.T) {
	c := mustCollector(t, CollectorOptions{})
	now := time.Now()
	c.Collect(now.Add(-time.Second))
	s := c.Collect(now)
	for _, name := range []string{"load1", "runqueue", "uptime", "mem_total", "mem_available", "disk_used", "simone_cpu", "simone_rss"} {
		if _, ok := s.Value(name); !ok {
			t.Errorf("%s is absent: %v", name, s.Errors)
		}
	}
	profile, err := mib.ProfileByName(mib.ProfileSimone)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range profile.Metrics {
		if v, ok := s.Value(m.Name); ok && (v < 0 || m.Unit == "percent" && v > 100) {
			t.Errorf("%s = %v %s", m.Name, v, m.Unit)
		}
	}
}

func TestSnapshotUnknownMetric(t *testing.T) {
	c := mustCollector(t, CollectorOptions{Proc: mustProc(t, procFiles())})
	if v, ok := c.Collect(boot).Value("load2"); ok {
		t.Errorf("load2 = %v", v)
	}
}

func BenchmarkCollect(b *testing.B) {
	c := mustCollector(b, CollectorOptions{})
	now := time.Now()
	for b.Loop() {
		now = now.Add(time.Second)
		c.Collect(now)
	}
}
