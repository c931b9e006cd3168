//go:build linux

package testbed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	// go test keeps results until what the tests are made of changes; that is
	// to be the daemons too.
	_ "simone/internal/app/node"
	_ "simone/internal/app/top"
)

// TestMain gives the tests a directory for binaries, and takes it away.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "simone-testbed-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		os.Exit(1)
	}
	os.Setenv(binariesEnv, dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// binariesEnv names the directory of the binaries under test.
const binariesEnv = "SIMONE_TESTBED_BIN"

// build makes the daemons, once for all tests.
var build = sync.OnceValue(func() error {
	cmd := exec.Command("go", "build", raceFlags, "-o", os.Getenv(binariesEnv)+"/", "./cmd/simoned", "./cmd/simone-tlm")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the daemons: %w\n%s", err, out)
	}
	return nil
})

// daemon is the path of a daemon.
func daemon(tb testing.TB, name string) string {
	tb.Helper()
	if err := build(); err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(os.Getenv(binariesEnv), name)
}

// shipped is the path of a file in configs/.
func shipped(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join("..", "..", "configs", name)
	if _, err := os.Stat(path); err != nil { // go test notes that too
		tb.Fatal(err)
	}
	return path
}

// logBuffer collects what a process writes, from all its lives.
type logBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// process is a program that runs, or has run.
type process struct {
	cmd   *exec.Cmd
	log   *logBuffer
	clock *clock        // its own; nil: everybody's
	done  chan struct{} // closed when it has ended
	err   error         // how, once done is closed
}

// launch starts a program. It ends with the test at the latest, in good order
// if it can, and with the test binary whatever happens to that.
func launch(tb testing.TB, log *logBuffer, program string, args ...string) *process {
	tb.Helper()
	return start(tb, nil, nil, log, exec.Command(program, args...))
}

// start starts a program, if wanted on a host, or with a wall clock of its own
// that is so far ahead.
func start(tb testing.TB, on *host, ahead *time.Duration, log *logBuffer, cmd *exec.Cmd) *process {
	tb.Helper()
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // a race detector would sleep for a second at the end
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Ptrace: ahead != nil}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	var err error
	begin := func() {
		if err = cmd.Start(); err == nil && ahead != nil {
			p.clock, err = p.setClock(*ahead)
		}
	}
	if on != nil {
		on.do(begin)
	} else {
		runtime.LockOSThread() // setClock wants to be called where the process was started
		begin()
		runtime.UnlockOSThread()
	}
	if err != nil {
		tb.Fatalf("start %s: %v", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	tb.Cleanup(p.kill)
	return p
}

// setClock gives a process that stands before its first instruction a clock of
// its own, and lets it go. It is called on the thread that started it.
func (p *process) setClock(ahead time.Duration) (*clock, error) {
	pid := p.cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return nil, fmt.Errorf("wait for the new process: %w", err)
	}
	if !status.Stopped() {
		return nil, fmt.Errorf("the new process does not stop: status %#x", status)
	}
	c, err := takeClock(pid, ahead)
	return c, errors.Join(err, syscall.PtraceDetach(pid))
}

// run runs a program to its end and gives its exit code and what it wrote.
func run(tb testing.TB, program string, args ...string) (code int, output string) {
	tb.Helper()
	log := new(logBuffer)
	p := launch(tb, log, program, args...)
	return p.exit(tb, 10*time.Second), log.String()
}

// signal sends a signal.
func (p *process) signal(tb testing.TB, s os.Signal) {
	tb.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		tb.Fatalf("%v to %s: %v", s, p.cmd.Path, err)
	}
}

// kill ends it without warning, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails if it has ended
	<-p.done
}

// running reports whether it has not ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// exit waits for the end and gives the exit code.
func (p *process) exit(tb testing.TB, limit time.Duration) int {
	tb.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.kill()
		tb.Fatalf("%s did not end within %v:\n%s", filepath.Base(p.cmd.Path), limit, p.log)
	}
	var ended *exec.ExitError
	if p.err != nil && !errors.As(p.err, &ended) {
		tb.Fatalf("%s: %v", p.cmd.Path, p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// usage is what a process has taken so far.
type usage struct {
	cpu      time.Duration
	resident int // octets
	files    int // descriptors that are open
}

func (p *process) usage(tb testing.TB) usage {
	tb.Helper()
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		tb.Fatal(err)
	}
	// Fields count from 1, the second is a name in parentheses; 14 and 15 are
	// user and system time in ticks of 10 ms, 24 is memory in pages.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	number := func(field int) (n int) {
		if _, err := fmt.Sscan(fields[field-3], &n); err != nil {
			tb.Fatalf("%sstat, field %d: %v", dir, field, err)
		}
		return n
	}
	files, err := os.ReadDir(dir + "fd")
	if err != nil {
		tb.Fatal(err)
	}
	return usage{
		cpu:      time.Duration(number(14)+number(15)) * 10 * time.Millisecond,
		resident: number(24) * os.Getpagesize(), files: len(files),
	}
}

// udpPorts gives the local ports of the UDP sockets that a process has open.
func (p *process) udpPorts(tb testing.TB) map[uint16]bool {
	tb.Helper()
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	fds, err := os.ReadDir(dir + "fd")
	if err != nil {
		tb.Fatal(err)
	}
	inodes := make(map[string]bool)
	for _, fd := range fds {
		if to, err := os.Readlink(dir + "fd/" + fd.Name()); err == nil && strings.HasPrefix(to, "socket:[") {
			inodes[strings.Trim(to, "socket:[]")] = true
		}
	}
	ports := make(map[uint16]bool)
	for _, table := range []string{"net/udp", "net/udp6"} {
		text, err := os.ReadFile(dir + table)
		if err != nil {
			continue // a kernel without IPv6
		}
		for line := range strings.Lines(string(text)) {
			// sl local:port remote:port st queues timer retransmits uid timeout inode
			f := strings.Fields(line)
			if len(f) < 10 || !inodes[f[9]] {
				continue
			}
			_, hex, _ := strings.Cut(f[1], ":")
			port, err := strconv.ParseUint(hex, 16, 16)
			if err != nil {
				tb.Fatalf("%s%s: %q", dir, table, line)
			}
			ports[uint16(port)] = true
		}
	}
	return ports
}

// eventually waits until check finds nothing wrong, and gives how long that
// took. check says what is wrong.
func eventually(tb testing.TB, limit time.Duration, what string, check func() string) time.Duration {
	tb.Helper()
	const every = 20 * time.Millisecond
	start := time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		wrong := check()
		if wrong == "" {
			return time.Since(start)
		}
		if time.Since(start) > limit {
			tb.Fatalf("%s: not within %v: %s", what, limit, wrong)
		}
		<-tick.C
	}
}

// pauses are when this process did not run for a while though it wanted to:
// what else runs on the machine can stand still then too.
type pauses struct {
	mu   sync.Mutex // guards list
	list []pause
}

type pause struct{ from, to time.Time }

// watchPauses notes pauses until the test ends.
func watchPauses(tb testing.TB) *pauses {
	const every, noticed = 10 * time.Millisecond, 80 * time.Millisecond
	p := new(pauses)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(every)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			now := time.Now()
			if now.Sub(last) > noticed {
				p.mu.Lock()
				p.list = append(p.list, pause{last, now})
				p.mu.Unlock()
			}
			last = now
		}
	}()
	tb.Cleanup(func() {
		close(stop)
		<-stopped
		for _, x := range p.list {
			tb.Logf("the machine stood still for %v at %s", x.to.Sub(x.from).Round(time.Millisecond), x.from.Format("15:04:05.000"))
		}
	})
	return p
}

// over reports whether a pause touches the time that a slot had.
func (p *pauses) over(due time.Time, interval time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.list {
		if due.Add(interval).After(x.from) && due.Before(x.to) {
			return true
		}
	}
	return false
}

// longest is how long the machine stood still at once, short breaks between not
// counted.
func (p *pauses) longest() (longest time.Duration) {
	const breaks = 100 * time.Millisecond
	p.mu.Lock()
	defer p.mu.Unlock()
	var spell pause
	for _, x := range p.list {
		if x.from.Sub(spell.to) > breaks {
			spell.from = x.from
		}
		spell.to = x.to
		longest = max(longest, spell.to.Sub(spell.from))
	}
	return longest
}

// since is how much of the time since then the machine stood still.
func (p *pauses) since(then time.Time) (sum time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.list {
		if x.to.After(then) {
			sum += x.to.Sub(x.from)
		}
	}
	return sum
}
