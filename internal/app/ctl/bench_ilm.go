package ctl

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"simone/internal/ilmbench"
	"simone/internal/pollbench"
)

// untilClosed calls end when the standard input ends: with who began this
// process.
func untilClosed(end func()) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		end()
	}()
}

func (o *options) benchILMCommand() *cobra.Command {
	cfg := ilmbench.Config{Devices: 10_000, Rows: pollbench.OtherRows, Interval: time.Minute, For: time.Minute}
	c := &cobra.Command{
		Use: "ilm", Short: "measure what a whole ILM costs, beside the poll engine alone", Args: cobra.NoArgs,
		Long: `Has an ILM poll a farm of devices on the loopback, a table of six columns
of each in an interval, of which it makes rates, with its list in a store on disk, its tables, and its report log, which
is read over SNMP every ten seconds and acknowledged; its aggregates are read once
a minute. At the same time the poll engine alone asks the same of the same farm,
at the same pace. Each has a process of its own; CPU time and memory are theirs.
It takes two intervals.`,
		RunE: func(c *cobra.Command, _ []string) error { return o.benchILM(c.Context(), cfg) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVar(&cfg.Devices, "devices", cfg.Devices, "how many devices there are")
	f.IntVar(&cfg.Rows, "rows", cfg.Rows, "how many rows the table of each has; of 11 an answer has room for no more")
	f.DurationVar(&cfg.Interval, "interval", cfg.Interval, "between two polls of a device")
	f.DurationVar(&cfg.For, "for", cfg.For, "how long is measured, after one interval that is not")
	return c
}

// benchILMProcesses are the commands that the processes of benchILM run.
func (o *options) benchILMProcesses() []*cobra.Command {
	hidden := func(use string, args int, run func(ctx context.Context, args []string) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: "be a part of it", Args: cobra.ExactArgs(args), Hidden: true,
			RunE: func(c *cobra.Command, args []string) error {
				ctx, cancel := context.WithCancel(c.Context())
				defer cancel()
				untilClosed(cancel)
				return run(ctx, args)
			},
		}
	}
	return []*cobra.Command{
		hidden("manager DIRECTORY", 1, func(ctx context.Context, args []string) error {
			return ilmbench.RunManager(ctx, args[0], nil, o.stdout)
		}),
		hidden("engine DEVICES PORT INTERVAL", 3, func(ctx context.Context, args []string) error {
			n, err := strconv.Atoi(args[0])
			if err != nil {
				return usage("", "%q is no number of devices", args[0])
			}
			port, err := strconv.ParseUint(args[1], 10, 16)
			if err != nil {
				return usage("", "%q is no port", args[1])
			}
			interval, err := time.ParseDuration(args[2])
			if err != nil {
				return usage("", "%q is no interval", args[2])
			}
			return ilmbench.RunEngine(ctx, n, uint16(port), interval, o.stdout)
		}),
	}
}

// benchILM runs the benchmark, this program being its other processes too.
func (o *options) benchILM(ctx context.Context, cfg ilmbench.Config) error {
	if cfg.Devices < 1 || cfg.Devices > maxTargets || cfg.Rows < 1 || cfg.Rows > 1000 || cfg.Interval < time.Second || cfg.Interval > time.Hour || cfg.For < time.Second {
		return usage(fmt.Sprintf("devices are 1 to %d, rows 1 to 1000, the interval is 1s to 1h, and at least 1s is measured", maxTargets), "%d devices of %d rows, polled every %v, measured for %v", cfg.Devices, cfg.Rows, cfg.Interval, cfg.For)
	}
	command, err := o.benchProcess()
	if err != nil {
		return err
	}
	cfg.Farm = func(ctx context.Context) *exec.Cmd { return command(ctx, "farm", strconv.Itoa(cfg.Rows)) }
	cfg.Manager = func(ctx context.Context, dir string) *exec.Cmd { return command(ctx, "manager", dir) }
	cfg.Engine = func(ctx context.Context, devices int, port uint16, interval time.Duration) *exec.Cmd {
		return command(ctx, "engine", strconv.Itoa(devices), strconv.Itoa(int(port)), interval.String())
	}
	cfg.Progress = func(text string) { fmt.Fprintln(o.stderr, text) }
	r, err := ilmbench.Run(ctx, cfg)
	if err != nil {
		return failed("", "bench: %w", err)
	}
	return o.show(r, func(p *page) {
		p.linef("%d devices, %d objects each every %v, for %.0f s: %.0f polls a second", r.Devices, r.Objects, cfg.Interval, r.Seconds, r.Polls)
		p.linef("%-16s %12s %14s %8s %8s", "", "% of a core", "us per object", "MB", "peak MB")
		for _, c := range []struct {
			name string
			ilmbench.Cost
		}{{"whole ILM", r.Manager}, {"engine alone", r.Engine}} {
			p.linef("%-16s %12.2f %14.3f %8.1f %8.1f", c.name, c.CPU, c.Micros, c.RSS, c.Peak)
		}
		p.linef("%-16s %12s %14.3f", "its own", "", r.Own)
		p.linef("%d objects reported, %d missed, %d in the aggregates; 99 of 100 polls left at most %.1f ms late", r.Reported, r.Missed, r.Summed, r.LateP99)
	})
}
