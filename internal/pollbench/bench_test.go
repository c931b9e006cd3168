package pollbench

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// roleEnv makes the test binary one of the benchmark's other processes.
const roleEnv = "SIMONE_POLLBENCH"

func TestMain(m *testing.M) {
	role := strings.Fields(os.Getenv(roleEnv))
	if len(role) == 0 {
		os.Exit(m.Run())
	}
	if err := play(role); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

func play(role []string) error {
	if role[0] == "farm" {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		return RunFarm(ctx, OtherRows, os.Stdout)
	}
	n, err := strconv.Atoi(role[1])
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(role[2], 10, 16)
	if err != nil {
		return err
	}
	return RunClient(role[0], n, uint16(port), os.Stdin, os.Stdout)
}

// Every way to poll gets every answer, and the figures are of what was done.
func TestRun(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := func(ctx context.Context, role ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, self)
		cmd.Env = append(os.Environ(), roleEnv+"="+strings.Join(role, " "))
		cmd.Stderr = os.Stderr
		return cmd
	}
	cfg := Config{
		Targets: 50, Polls: 200, Repetitions: 2,
		Farm: func(ctx context.Context) *exec.Cmd { return command(ctx, "farm") },
		Client: func(ctx context.Context, name string, targets int, port uint16) *exec.Cmd {
			return command(ctx, name, strconv.Itoa(targets), strconv.Itoa(int(port)))
		},
	}
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cases) != len(ways()) {
		t.Errorf("%d cases, not %d", len(r.Cases), len(ways()))
	}
	for _, c := range r.Cases {
		if c.Failed > 0 || c.Measured != 400 || c.Micros <= 0 || c.Ratio <= 0 || c.RSS <= 0 {
			t.Errorf("%+v", c)
		}
		// A time-out makes an error, which takes memory; an answer takes none.
		if strings.HasPrefix(c.Name, "engine") && c.Allocs > 1 {
			t.Errorf("%s allocates %v times a poll", c.Name, c.Allocs)
		}
	}
}

func TestRunClientKnowsItsName(t *testing.T) {
	if err := RunClient("none", 1, 1, strings.NewReader(""), io.Discard); err == nil {
		t.Error("an unknown way to poll")
	}
}
