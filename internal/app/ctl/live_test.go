package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"simone/mib"
)

// patience is for what must happen; only a test that fails waits so long.
const patience = 20 * time.Second

// tap is a Writer that tells of each write.
type tap struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{}
}

func newTap() *tap { return &tap{wrote: make(chan struct{}, 1)} }

func (w *tap) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() {
		select {
		case w.wrote <- struct{}{}:
		default:
		}
	}()
	return w.text.Write(b)
}

func (w *tap) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await waits until the text has what is asked for so many times.
func (w *tap) await(t *testing.T, what string, times int) {
	t.Helper()
	deadline := time.After(patience)
	for strings.Count(w.String(), what) < times {
		select {
		case <-w.wrote:
		case <-deadline:
			t.Fatalf("%q is not there %d times after %v:\n%s", what, times, patience, w)
		}
	}
}

// begin runs a command that goes on until it is interrupted.
func begin(t *testing.T, args ...string) (stdout, stderr *tap, interrupt func() error) {
	t.Helper()
	stdout, stderr = newTap(), newTap()
	o := &options{stdout: stdout, stderr: stderr, getenv: func(string) string { return "" }}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, o, append([]string{"-a", tlmAt, "--timeout", "400ms", "--retries", "0"}, args...))
	}()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() }) // the test looked at it
	return stdout, stderr, stop
}

// TestFollow: new events appear, each once, and a TLM that is away for a
// while is waited for.
func TestFollow(t *testing.T) {
	f := newFleet(t)
	stdout, stderr, interrupt := begin(t, "events", "--follow", "-n", "2", "-o", "json", "--interval", "100ms")
	stdout.await(t, `"sequence":5`, 1)
	f.event(6, 10 /* drain */, 4, 0, 0, 1, "asked for", "", "")
	stdout.await(t, `"sequence":6`, 1)
	f.tlm.stop()
	stderr.await(t, "nobody answers at "+tlmAt, 1)
	f.event(7, 11 /* undrain */, 4, 0, 0, 1, "asked for", "", "")
	f.tlm.restart()
	stdout.await(t, `"sequence":7`, 1)
	if err := interrupt(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
	var got []uint32
	for line := range strings.Lines(stdout.String()) {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		got = append(got, e.Sequence)
		if e.Node == 4 && e.NodeName != "n4" {
			t.Errorf("event %d names node 4 %q", e.Sequence, e.NodeName)
		}
	}
	if want := []uint32{4, 5, 6, 7}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if n := strings.Count(stderr.String(), "\n"); n != 2 {
		t.Errorf("it should tell once that the TLM is away and once that it is back:\n%s", stderr)
	}
}

// TestFollowNewOnly: -n 0 shows what is new, and nothing else.
func TestFollowNewOnly(t *testing.T) {
	f := newFleet(t)
	stdout, _, interrupt := begin(t, "events", "--follow", "-n", "0", "--interval", "100ms", "-o", "yaml")
	// When it has begun is not to be seen from outside, so events come until
	// one is shown.
	more := time.NewTicker(20 * time.Millisecond)
	defer more.Stop()
	deadline := time.After(patience)
	for seq := uint32(6); stdout.String() == ""; seq++ {
		f.event(seq, 10, 4, 0, 0, 1, "asked for", "", "")
		select {
		case <-more.C:
		case <-deadline:
			t.Fatalf("no event is shown after %v", patience)
		}
	}
	if err := interrupt(); err != nil {
		t.Error(err)
	}
	if text := stdout.String(); strings.Contains(text, "sequence: 5\n") || !strings.HasPrefix(text, "---\n") {
		t.Errorf("%s", text)
	}
}

// TestWatch: the tree is shown again with what has changed, what it was stays
// while the TLM is away, and Ctrl-C is a good end.
func TestWatch(t *testing.T) {
	f := newFleet(t)
	stdout, stderr, interrupt := begin(t, "tree", "--watch", "--interval", "100ms")
	stdout.await(t, "T 21.44 hot", 2)
	f.manager(2, "ilm-a", ilmAAt, 1, 1, 600, 3)
	stdout.await(t, "T 600 critical", 1)
	f.tlm.stop()
	stderr.await(t, "nobody answers", 1)
	f.manager(2, "ilm-a", ilmAAt, 1, 1, 1, 3)
	f.tlm.restart()
	stdout.await(t, "T 1 warm", 1)
	if err := interrupt(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

func TestWatchNobody(t *testing.T) {
	r := simonectl(t, "-a", leaf5At, "--timeout", "50ms", "--retries", "0", "tree", "--watch")
	if r.code != ExitUnreachable {
		t.Errorf("%d: %v", r.code, r.err)
	}
}

// TestFrame: a picture overwrites the one before it and never scrolls.
func TestFrame(t *testing.T) {
	for _, c := range []struct {
		name   string
		text   string
		height int
		want   string
	}{
		{"Fits", "a\nb\n", 24, "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"},
		{"JustFits", "a\nb\nc\n", 4, "\x1b[Ha\x1b[K\nb\x1b[K\nc\x1b[K\n\x1b[J"},
		{"TooTall", "a\nb\nc\nd\n", 4, "\x1b[Ha\x1b[K\nb\x1b[K\n... 2 more lines; --leaves=false shows fewer\x1b[K\n\x1b[J"},
		{"HeightUnknown", "a\nb\n", 0, "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"},
	} {
		if got := frame(c.text, c.height); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestColour: colours are for terminals, and NO_COLOR takes them away.
func TestColour(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminal to test with: %v", err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = null.Close() })
	for _, c := range []struct {
		name string
		o    options
		env  map[string]string
		want bool
	}{
		{"Terminal", options{stdout: terminal}, nil, true},
		{"NO_COLOR", options{stdout: terminal}, map[string]string{"NO_COLOR": "1"}, false},
		{"EmptyNO_COLOR", options{stdout: terminal}, map[string]string{"NO_COLOR": ""}, true},
		{"Flag", options{stdout: terminal, noColor: true}, nil, false},
		{"Dumb", options{stdout: terminal}, map[string]string{"TERM": "dumb"}, false},
		{"Pipe", options{stdout: io.Discard}, nil, false},
		{"Null", options{stdout: null}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.getenv = func(name string) string { return c.env[name] }
			if got := c.o.colored(); got != c.want {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestColours shows the tree in colours: without them it is the same text.
func TestColours(t *testing.T) {
	newFleet(t)
	c, at := dial(t, tlmAt)
	tlm, err := c.top(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.tree(t.Context(), tlm)
	if err != nil {
		t.Fatal(err)
	}
	dyed, bare := &page{color: true}, &page{}
	dyed.tree(tree, true)
	bare.tree(tree, true)
	for _, want := range []string{"\x1b[33mT 21.44 hot\x1b[0m", "\x1b[36mT 0.05 cold\x1b[0m", "\x1b[32mT 3.5 warm\x1b[0m", "\x1b[31mfailing\x1b[0m"} {
		if !strings.Contains(dyed.String(), want) {
			t.Errorf("%q is not in\n%s", want, dyed)
		}
	}
	undyed := dyed.String()
	for _, p := range []paint{bold, faint, red, green, yellow, cyan} {
		undyed = strings.ReplaceAll(undyed, "\x1b["+string(p)+"m", "")
	}
	if undyed = strings.ReplaceAll(undyed, "\x1b[0m", ""); undyed != bare.String() {
		t.Errorf("%s\nis not\n%s", undyed, bare)
	}
}

// TestHeat: the borders of the paper's rule (document 001, section 4): below
// merge is cold, above split hot, above migrate critical.
func TestHeat(t *testing.T) {
	at := func(f float64) *float64 { return &f }
	th := Thresholds{Merge: at(0.1), Split: at(17.5), Migrate: at(500)}
	for _, c := range []struct {
		temperature *float64
		want        Heat
	}{
		{nil, ""}, {at(0), Cold}, {at(0.0999), Cold}, {at(0.1), Warm}, {at(17.5), Warm}, {at(17.51), Hot}, {at(500), Hot}, {at(500.1), Critical},
	} {
		if got := th.heat(c.temperature); got != c.want {
			t.Errorf("%s: %q, want %q", number(c.temperature), got, c.want)
		}
	}
	s := Settings{Thresholds: th, Weighted: true}
	if got := s.heated(at(1000), at(1)); got != Warm {
		t.Errorf("weighted: %q", got)
	}
	if got := (Thresholds{}).heat(at(5)); got != Warm {
		t.Errorf("without thresholds: %q", got)
	}
}

// TestWeightedHeat: where decisions go by the weighted temperature, so do the
// colours.
func TestWeightedHeat(t *testing.T) {
	f := newFleet(t)
	f.tlm.put(mib.SimoneReconfigWeighted, mib.Truth(true))
	r := simonectl(t, "ilm", "ls", "-o", "json")
	var managers []Manager
	if err := json.Unmarshal([]byte(r.stdout), &managers); err != nil {
		t.Fatalf("%v: %v", err, r.err)
	}
	if managers[1].Heat != Warm { // 21.44 now, 10.72 weighted
		t.Errorf("%+v", managers[1])
	}
}
