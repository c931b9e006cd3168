package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"simone/internal/config"
	"simone/reconfig"
)

func TestCut(t *testing.T) {
	red := palette{on: true}.red
	for _, tt := range []struct {
		name, line string
		width      int
		want       string
	}{
		{"fits", "12345", 5, "12345"},
		{"too long", "123456", 5, "1234…"},
		{"runes are one column", "├─×›6", 5, "├─×›6"},
		{"colours are none", red("12345"), 5, red("12345")},
		{"colours end", red("123456"), 5, "\x1b[31m1234…\x1b[0m"},
		{"empty", "", 5, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := cut(tt.line, tt.width); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		most       int
		want       []string
	}{
		{"fits", "one two", 3, []string{"one two"}},
		{"between words", "one two three four", 3, []string{"one two", "three four"}},
		{"no more lines", "one two three four five six", 2, []string{"one two", "three four five six"}},
		{"a long word", "incomprehensibility of one", 3, []string{"incomprehensibility", "of one"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := wrap(tt.text, 10, tt.most); !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestFrame: whatever the terminal's size, no line is longer, there are not
// more than fit, and the command to try is whole and at the bottom.
func TestFrame(t *testing.T) {
	cfg := config.DefaultDemo()
	cfg.Nodes, cfg.Base, cfg.Port, cfg.For = 40, "127.81.0.1", 11610, 0
	t.Setenv("TMPDIR", t.TempDir())
	f, err := open(cfg, t.TempDir(), discard(), false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- f.run(ctx) }()
	defer func() {
		cancel()
		if err := errors.Join(<-ran, f.close()); err != nil {
			t.Error(err)
		}
	}()
	s := newScript(f)
	forming, enough := context.WithTimeout(ctx, 30*time.Second)
	defer enough()
	if err := s.formed(forming); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		s.entries = append(s.entries, reconfig.Entry{Kind: reconfig.KindSplit, Seen: strings.Repeat("very hot ", 40)})
	}
	for _, size := range [][2]int{{80, 23}, {80, 40}, {200, 60}, {40, 15}, {80, 5}} {
		for _, p := range []palette{{on: true}, {}} {
			width, height := size[0], size[1]
			lines := s.frame(p, width, height)
			command := lines[len(lines)-1]
			rows := len(lines) - 1 + (len(command)+width-1)/width
			if rows > height || command != s.hint() {
				t.Errorf("%dx%d: %d rows, the last %q", width, height, rows, command)
			}
			for _, l := range lines[:len(lines)-1] {
				if visible(l) > width {
					t.Errorf("%dx%d: %d columns: %q", width, height, visible(l), l)
				}
			}
			all := strings.Join(lines, "\n")
			if colours := strings.Contains(all, "\x1b"); colours != p.on {
				t.Errorf("%dx%d: colours %v, want %v", width, height, colours, p.on)
			}
			if height >= 23 {
				for _, part := range []string{"SIMONE demo", "ilm-a", "moves", "Ctrl-C", "split"} {
					if !strings.Contains(all, part) {
						t.Errorf("%dx%d: there is no %q in\n%s", width, height, part, all)
					}
				}
			}
		}
	}
}

// brokenPipe is a reader that has gone.
type brokenPipe struct{ io.Writer }

func (brokenPipe) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Err: syscall.EPIPE}
}

// TestDemoEndsWithItsReader: a demo that nobody can see ends, and leaves
// nothing behind.
func TestDemoEndsWithItsReader(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	cfg := config.DefaultDemo()
	cfg.Nodes, cfg.Base, cfg.Port = 2, "127.82.0.1", 11610
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := Run(ctx, cfg, Look{Out: brokenPipe{&bytes.Buffer{}}}); err != nil {
		t.Error(err)
	}
	if ctx.Err() != nil {
		t.Error("it went on")
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("the demo left %v behind", left)
	}
}
