package ilmbench

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"simone/internal/pollbench"
)

// part says which process of the benchmark a test binary is to be.
const part = "SIMONE_ILMBENCH_PART"

func TestMain(m *testing.M) {
	if os.Getenv(part) == "" {
		os.Exit(m.Run())
	}
	if err := bePart(); err != nil {
		panic(err)
	}
}

func bePart() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1)) // ends with who asks
		cancel()
	}()
	arg := func(i int) int {
		n, err := strconv.Atoi(os.Args[i])
		if err != nil {
			panic(err)
		}
		return n
	}
	switch os.Getenv(part) {
	case "farm":
		return pollbench.RunFarm(ctx, pollbench.OtherRows, os.Stdout)
	case "manager":
		return RunManager(ctx, os.Args[1], slowed(os.Args[1]), os.Stdout)
	}
	return RunEngine(ctx, arg(1), uint16(arg(2)), time.Duration(arg(3)), os.Stdout)
}

// command runs a part of the benchmark.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env, cmd.Stderr = append(os.Environ(), part+"="+name), os.Stderr
	return cmd
}

// A whole manager polls all devices, and all that it was answered comes to its
// parent and into its aggregates.
func TestRun(t *testing.T) {
	const devices, objects = 100, pollbench.OtherRows * pollbench.OtherColumns
	r, err := Run(t.Context(), Config{
		Devices: devices, Rows: pollbench.OtherRows, Interval: time.Second, For: 1500 * time.Millisecond,
		Farm:    func(ctx context.Context) *exec.Cmd { return command(ctx, "farm") },
		Manager: func(ctx context.Context, dir string) *exec.Cmd { return command(ctx, "manager", dir) },
		Engine: func(ctx context.Context, devices int, port uint16, interval time.Duration) *exec.Cmd {
			return command(ctx, "engine", strconv.Itoa(devices), strconv.Itoa(int(port)), strconv.Itoa(int(interval)))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Summed != devices*objects || r.Reported < devices*objects || r.Manager.CPU <= 0 || r.Engine.Objects == 0 || r.Manager.RSS < 1 {
		t.Errorf("%+v", r)
	}
}
