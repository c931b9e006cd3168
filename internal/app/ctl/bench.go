package ctl

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/spf13/cobra"

	"simone/internal/pollbench"
)

func newBenchCommand(o *options) *cobra.Command {
	c := group(&cobra.Command{Use: "bench", Short: "measure what polling costs on this machine"})
	cfg := pollbench.Config{Targets: 1000, Polls: 15_000, Repetitions: 5}
	poll := &cobra.Command{
		Use: "poll", Short: "compare the poll engine with gosnmp and with a bare exchange", Args: cobra.NoArgs,
		Long: `Polls a farm of agents on the loopback, in a process of its own, with the poll
engine, with gosnmp (a connection for each target, and a pool of 100), and with a
bare exchange of the same datagrams, which is the floor. Each way has a process
too; they take turns, and medians of CPU time per poll are shown. A GET has ten
variables, a bulk poll six columns of eleven rows; engine-paced asks 5,000 times
a second, engine-dead too, with one target in five dead; the others ask as fast
as they can. User and system time are told apart as the system's clock tells
them; least is the cost in the best turn.

gosnmp-bulk is gosnmp's BulkWalk as it is, over a table that has these columns and
no others, gosnmp-columns BulkWalk of each of six columns, as for some columns of a
larger table. The bare exchange takes a system call for each datagram and is not
woken while it sleeps; floor-get and floor-bulk differ in their datagrams.`,
		RunE: func(c *cobra.Command, _ []string) error { return o.benchPoll(c.Context(), cfg) },
	}
	f := poll.Flags()
	f.SortFlags = false
	f.IntVar(&cfg.Targets, "targets", cfg.Targets, "how many agents there are")
	f.IntVar(&cfg.Polls, "polls", cfg.Polls, "how many polls each way makes in each repetition")
	f.IntVar(&cfg.Repetitions, "repetitions", cfg.Repetitions, "how often each has its turn")
	farm := &cobra.Command{
		Use: "farm [ROWS]", Short: "be the agents", Args: cobra.MaximumNArgs(1), Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			rows := pollbench.OtherRows
			if len(args) > 0 {
				var err error
				if rows, err = strconv.Atoi(args[0]); err != nil {
					return usage("", "%q is no number of rows", args[0])
				}
			}
			ctx, cancel := context.WithCancel(c.Context())
			defer cancel()
			untilClosed(cancel)
			return pollbench.RunFarm(ctx, rows, o.stdout)
		},
	}
	client := &cobra.Command{
		Use: "client NAME TARGETS PORT", Short: "be a way to poll", Args: cobra.ExactArgs(3), Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil {
				return usage("", "%q is no number of targets", args[1])
			}
			port, err := strconv.ParseUint(args[2], 10, 16)
			if err != nil {
				return usage("", "%q is no port", args[2])
			}
			return pollbench.RunClient(args[0], n, uint16(port), os.Stdin, o.stdout)
		},
	}
	c.AddCommand(poll, o.benchILMCommand(), farm, client)
	for _, hidden := range o.benchILMProcesses() {
		c.AddCommand(hidden)
	}
	return c
}

// maxTargets is how many addresses a farm has at most, and gosnmp connections.
const maxTargets = 50_000

// benchProcess gives the commands that run this program as another process of a
// benchmark.
func (o *options) benchProcess() (func(ctx context.Context, args ...string) *exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, failed("", "find this program: %w", err)
	}
	return func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, self, append([]string{"bench"}, args...)...)
		cmd.Stderr = o.stderr
		return cmd
	}, nil
}

// benchPoll runs the benchmark, this program being its other processes too.
func (o *options) benchPoll(ctx context.Context, cfg pollbench.Config) error {
	if cfg.Targets < 1 || cfg.Targets > maxTargets || cfg.Polls < 1 || cfg.Repetitions < 1 {
		return usage(fmt.Sprintf("targets are 1 to %d, and there is at least one poll and one repetition", maxTargets),
			"%d targets, %d polls, %d repetitions", cfg.Targets, cfg.Polls, cfg.Repetitions)
	}
	command, err := o.benchProcess()
	if err != nil {
		return err
	}
	cfg.Farm = func(ctx context.Context) *exec.Cmd { return command(ctx, "farm") }
	cfg.Client = func(ctx context.Context, name string, targets int, port uint16) *exec.Cmd {
		return command(ctx, "client", name, strconv.Itoa(targets), strconv.Itoa(int(port)))
	}
	result, err := pollbench.Run(ctx, cfg)
	if err != nil {
		return failed("", "bench: %w", err)
	}
	return o.show(result, func(p *page) {
		p.linef("%d targets, medians of %d repetitions", result.Targets, result.Repetitions)
		p.linef("%-14s %8s %8s %8s %8s %8s %8s %8s %14s %8s", "case", "us/poll", "user", "system", "least", "to floor", "allocs", "MB", "objects/CPU-s", "failed")
		for _, c := range result.Cases {
			p.linef("%-14s %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f %8.1f %14.0f %8d",
				c.Name, c.Micros, c.User, c.System, c.Least, c.Ratio, c.Allocs, c.RSS, c.Objects, c.Failed)
			if c.LateP99 > 0 {
				p.linef("%-14s 99 of 100 polls left at most %.1f ms late", "", c.LateP99)
			}
		}
	})
}
