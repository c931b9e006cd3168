package ctl

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simone/internal/device"
)

// mustRecord writes a recording and gives its file.
func mustRecord(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".snmprec")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// playDevices runs device play until the test ends, and gives what it says of
// n devices.
func playDevices(t *testing.T, n int, args ...string) (playing []Playing) {
	t.Helper()
	o, _, _ := surroundings(nil)
	r, w := io.Pipe()
	o.stdout = w
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, o, append([]string{"device", "play", "--listen", "127.0.0.1:0", "-o", "json"}, args...))
		w.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	lines := bufio.NewScanner(r)
	for range n {
		if !lines.Scan() {
			t.Fatalf("device play: %v", lines.Err())
		}
		var p Playing
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		playing = append(playing, p)
	}
	return playing
}

func TestDevicePlay(t *testing.T) {
	one := mustRecord(t, "one", "1.3.6.1.2.1.1.1.0|4|first\n")
	two := mustRecord(t, "two", "1.3.6.1.2.1.1.1.0|4|second\n1.3.6.1.2.1.1.3.0|67|1\n")
	t.Run("Shared", func(t *testing.T) {
		got := playDevices(t, 2, one, two)
		if got[0].Address != got[1].Address || got[0].Community != "one" || got[1].Community != "two" || got[1].Variables != 2 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("Each", func(t *testing.T) {
		got := playDevices(t, 2, "--each", one, two)
		if !strings.HasPrefix(got[0].Address, "127.0.0.1:") || !strings.HasPrefix(got[1].Address, "127.0.0.2:") {
			t.Errorf("%+v", got)
		}
	})
	for name, tt := range map[string]struct {
		args []string
		code int
		says string
	}{
		"NoFile":          {[]string{}, ExitUsage, "requires at least 1 arg"},
		"Missing":         {[]string{"none"}, ExitFailed, "open a recording"},
		"BadAddress":      {[]string{"--listen", "here", one}, ExitUsage, "ADDRESS:PORT"},
		"BadShare":        {[]string{"--loss", "2", one}, ExitUsage, "loss 2 is no share"},
		"CommunityOfTwo":  {[]string{"-c", "x", one, two}, ExitUsage, "told apart by their communities"},
		"ForeignAddress":  {[]string{"--listen", "192.0.2.1:1611", one}, ExitFailed, "bind"},
		"SameName":        {[]string{one, one}, ExitFailed, "another device answers to the same community"},
		"BrokenRecording": {[]string{mustRecord(t, "broken", "1.3.1|2|1\n1.3.2|2|x\n")}, ExitFailed, "broken.snmprec:2: "},
	} {
		t.Run(name, func(t *testing.T) {
			r := simonectl(t, append([]string{"device", "play"}, tt.args...)...)
			if ExitCode(r.err) != tt.code || !strings.Contains(r.err.Error(), tt.says) {
				t.Errorf("code %d: %v", ExitCode(r.err), r.err)
			}
			if line, ok := errors.AsType[*device.LineError](r.err); (name == "BrokenRecording") != (ok && line.Line == 2) {
				t.Errorf("the line is %v", line)
			}
		})
	}
}
