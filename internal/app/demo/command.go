package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"simone/internal/config"
)

// Command is simonectl demo.
func Command() *cobra.Command {
	var file, base, output string
	var nodes, ilms, port int
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole tree in this process and watch it reorganise itself",
		Long: `Demo runs a top-level manager, candidates and leaves in one process, over real
SNMP on loopback addresses, and shows the tree live. After a while it makes one
ILM slow (shown as injected), then kills another outright. It needs no root, no
snmpd and no configuration, and stops cleanly on Ctrl-C.

With -o json it runs silently and ends with one JSON object: what happened, and
what a checker found that compares what the nodes were asked with what the
top-level manager holds. A slot of a node that nobody holds a sample for counts
as samples_lost at a change of manager, towards failover_gap_slots_max if a
killed manager took it along, and as samples_missed if one manager had the node
all the time (time-outs) or the machine stopped the demo for half a poll
interval and more (stalled_max_seconds).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.LoadDemo(file)
			if err != nil {
				return err
			}
			flags := cmd.Flags()
			if flags.Changed("nodes") {
				cfg.Nodes = nodes
			}
			if flags.Changed("ilms") {
				cfg.ILMs = ilms
				cfg.Start, cfg.Min = min(cfg.Start, max(ilms, 1)), min(cfg.Min, max(ilms, 1))
				if ilms < 2 {
					cfg.Kill.After = 0
				}
			}
			if flags.Changed("base") {
				cfg.Base = base
			}
			if flags.Changed("port") {
				cfg.Port = port
			}
			if flags.Changed("for") {
				cfg.For = config.Duration(length)
				fit(cfg)
			}
			if output == "" { // a parent command may have it
				if f := cmd.Flag("output"); f != nil {
					output = f.Value.String()
				}
			}
			if output == "yaml" {
				return errors.New("demo writes no YAML; write -o json, or no -o to watch it")
			}
			plain := os.Getenv("NO_COLOR") != ""
			if f := cmd.Flag("no-color"); f != nil { // of a parent command, too
				plain = plain || f.Value.String() == "true"
			}
			if err := cfg.Validate(); err != nil {
				return err
			}
			return Run(cmd.Context(), cfg, Look{
				JSON: output == "json", Plain: plain, Out: cmd.OutOrStdout(), ChosenBase: flags.Changed("base") || flags.Changed("port") || file != "",
			})
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "`file` such as configs/demo.yaml; the defaults if not given")
	cmd.Flags().DurationVar(&length, "for", 0, "how long to run; until Ctrl-C if not given")
	cmd.Flags().IntVar(&nodes, "nodes", 40, "number of leaves")
	cmd.Flags().IntVar(&ilms, "ilms", 4, "number of candidates")
	cmd.Flags().StringVar(&base, "base", "127.16.0.1", "first loopback address")
	cmd.Flags().IntVar(&port, "port", 1161, "UDP port of all nodes")
	return cmd
}

// fit moves what the demo does to itself into a shorter run, so that the tree
// has time to answer.
func fit(cfg *config.Demo) {
	const whole = 25 * time.Second // what the defaults are made for
	length := time.Duration(cfg.For)
	if length >= whole || length <= 0 {
		return
	}
	scale := func(d config.Duration) config.Duration {
		return config.Duration(float64(d) * float64(length) / float64(whole))
	}
	cfg.Slow.After, cfg.Slow.For, cfg.Kill.After = scale(cfg.Slow.After), scale(cfg.Slow.For), scale(cfg.Kill.After)
}

// Look is how a demo shows itself.
type Look struct {
	JSON       bool
	Plain      bool // no colours
	Out        io.Writer
	ChosenBase bool // the addresses were chosen: try no others
}

// Run runs a demo until ctx is done or its time is over.
func Run(ctx context.Context, cfg *config.Demo, look Look) (err error) {
	// Without a receiver, a broken pipe would end the process with its files
	// left behind; with one, the write fails.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)
	dir, err := os.MkdirTemp("", "simone-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f, err := open(cfg, dir, slog.New(slog.DiscardHandler), look.ChosenBase)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()

	s := newScript(f)
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	entries, cancel := f.top.Manager().Subscribe()
	go func() { done <- f.run(run) }()
	go func() {
		for e := range entries {
			s.mu.Lock()
			s.entries = append(s.entries, e)
			s.mu.Unlock()
		}
	}()
	defer cancel()

	playing, end := context.WithCancel(ctx)
	if cfg.For > 0 {
		playing, end = context.WithDeadline(ctx, s.began.Add(time.Duration(cfg.For)))
	}
	defer end()
	var players sync.WaitGroup
	players.Go(func() { s.play(playing) })
	players.Go(func() { s.watch(playing) })
	unseen := look.show(playing, s, done)
	if unseen != nil {
		end()
	}
	players.Wait()
	r := s.result(time.Now())
	stop()
	if err := <-done; err != nil {
		return err
	}
	if unseen != nil {
		if errors.Is(unseen, syscall.EPIPE) { // as with | head: its reader has seen enough
			return nil
		}
		return unseen
	}
	return look.conclude(r)
}

// show draws until the demo is over, a part of the fleet has failed, or nobody
// can see it any more.
func (l Look) show(ctx context.Context, s *script, failed chan error) error {
	t := terminalOf(l.Out)
	p := palette{on: t.on && !l.Plain}
	every := 250 * time.Millisecond
	if !t.on {
		every = 5 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	shown := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			failed <- err // for whoever waits for the end
			return nil
		case <-tick.C:
		}
		if l.JSON {
			continue
		}
		var err error
		if t.on {
			width, height := t.size()
			err = t.redraw(s.frame(p, width, height-1))
		} else {
			shown, err = l.report(s, shown)
		}
		if err != nil {
			return fmt.Errorf("show the demo: %w", err)
		}
	}
}

// report writes the tree and the events since the last report, for a file or
// a pipe.
func (l Look) report(s *script, shown int) (int, error) {
	var b bytes.Buffer
	for _, line := range s.tree(palette{}, 0, -1) {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintln(&b)
	all := s.recent(1 << 30)
	for _, n := range all[min(shown, len(all)):] {
		fmt.Fprintf(&b, "%6.1fs %s\n", n.at.Sub(s.began).Seconds(), n.text)
	}
	if shown == 0 {
		fmt.Fprintf(&b, "\n%s\ntry in another terminal: %s\n", s.legend(palette{}), s.hint())
	}
	fmt.Fprintln(&b)
	_, err := l.Out.Write(b.Bytes())
	return len(all), err
}

// conclude writes the result.
func (l Look) conclude(r Result) error {
	if l.JSON {
		e := json.NewEncoder(l.Out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	_, err := fmt.Fprintf(l.Out, `
The demo ran %.0f s. %d polls; splits %d, merges %d, migrates %d;
ILMs promoted %d, lost %d. Planned moves lost %d samples and duplicated %d.
For other reasons (a busy machine) %d slots of nodes were missed.
The failover cost at most %d slots of a node.
At the end %.0f %% of the living nodes were covered.
`, r.Seconds, r.Polls, r.Transformations["split"], r.Transformations["merge"], r.Transformations["migrate"], r.Promotions, r.Failovers,
		r.SamplesLost, r.SamplesDup, r.SamplesMissed, r.FailoverGap, 100*r.Coverage)
	return err
}
