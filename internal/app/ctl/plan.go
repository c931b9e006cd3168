package ctl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simone/internal/replay"
	"simone/sim/scenario"
)

// PlanReport is what reconfig plan shows.
type PlanReport struct {
	From     string            `json:"from"`
	Minutes  float64           `json:"minutes"`
	Nodes    int               `json:"nodes"`
	ILMs     int               `json:"ilms"`
	Omitted  int               `json:"nodes_omitted"`
	Changed  int               `json:"settings_changed"` // meanwhile, which is not replayed
	Settings string            `json:"settings"`
	WhatIf   map[string]string `json:"settings_what_if"`
	*replay.Plan
}

func newPlanCommand(o *options) *cobra.Command {
	state, since := "", time.Hour
	var what []string
	c := &cobra.Command{
		Use: "plan --state DIR [--what-if KEY=VALUE]...", Short: "replay the last hour under other settings", Args: cobra.NoArgs,
		Long: `Replays what the TLM of this machine has recorded (trace, in its state directory)
in the simulator, by the code that runs live: once under the settings of then, which
shows how far the model is to be believed, and once under those of --what-if. Shows
the temperatures that the ILMs would have had and the moves that it would have taken.
Nothing is changed.

Settings: ` + strings.Join(replay.Knobs(), "; ") + `;
and all keys of configs/sim/ncs-h.yaml, times in stu.`,
		Example: "  simonectl reconfig plan --state /var/lib/simone/tlm --what-if split=5\n  simonectl reconfig plan --state /var/lib/simone/tlm --since 6h --what-if policy=paper --what-if trigger=30s",
		RunE: func(c *cobra.Command, _ []string) error {
			if since <= 0 {
				return usage("write it as --since 1h", "--since %v is not in the past", since)
			}
			from := time.Now().Add(-since)
			t, err := readTrace(state, from)
			if err != nil {
				return err
			}
			scene, err := replay.Prepare(t, from)
			if errors.Is(err, replay.ErrNothing) {
				return failed("let the TLM run for a while, or look further back with --since", "%w", err)
			}
			if err != nil {
				return failed("", "%w", err)
			}
			other, err := scene.WhatIf(what)
			if err != nil {
				return usage("write --what-if key=value; --help lists the keys", "--what-if: %w", err)
			}
			fmt.Fprintf(o.stderr, "replaying %v of %s\n", scene.Length.Round(time.Second), count(scene.Nodes, "node"))
			p, err := scene.Play(c.Context(), other)
			if err != nil {
				return failed("", "%w", err)
			}
			r := &PlanReport{
				From: scene.Start.Format(time.RFC3339), Minutes: scene.Length.Minutes(), Nodes: scene.Nodes, ILMs: scene.Base.ILMs, Omitted: scene.Omitted, Changed: scene.Changed,
				Settings: settingsOf(scene, &scene.Base), WhatIf: make(map[string]string), Plan: p,
			}
			for _, w := range what {
				key, value, _ := strings.Cut(w, "=")
				r.WhatIf[key] = value
			}
			return o.show(r, func(p *page) { p.plan(r) })
		},
	}
	c.Flags().StringVar(&state, "state", "", "state `DIR` of the TLM, as in its configuration")
	_ = c.MarkFlagRequired("state")
	c.Flags().DurationVar(&since, "since", since, "how far back the replay begins")
	c.Flags().StringArrayVar(&what, "what-if", nil, "`KEY=VALUE` of a setting to try; repeat for more")
	return c
}

func settingsOf(s *replay.Scene, p *scenario.Parameters) string {
	span := func(x float64) time.Duration { return time.Duration(x * float64(s.Unit)).Round(time.Millisecond) }
	return fmt.Sprintf("policy %s, thresholds %s, trigger %v, poll %v", p.Policy, p.Thresholds, span(p.Trigger), span(p.Poll))
}

func (p *page) plan(r *PlanReport) {
	p.linef("%.3g min from %s on: %s, %s; %s", r.Minutes, r.From, count(r.Nodes, "node"), count(r.ILMs, "ILM"), r.Settings)
	if r.Omitted > 0 {
		p.linef("%s left out: joined or left meanwhile, or with no ILM", count(r.Omitted, "node"))
	}
	if r.Changed > 0 {
		p.linef("the settings changed %d times meanwhile: those at the beginning are replayed", r.Changed)
	}
	p.linef("")
	what := "AS IT WAS SET"
	if len(r.WhatIf) > 0 {
		var set []string
		for _, k := range slices.Sorted(maps.Keys(r.WhatIf)) {
			set = append(set, k+"="+r.WhatIf[k])
		}
		what = strings.Join(set, " ")
	}
	line := func(name string, of func(replay.Figures) replay.Figure) []cell {
		return []cell{{name, plain}, {of(r.Recorded).String(), plain}, {of(r.Replayed).String(), plain}, {of(r.Plan.WhatIf).String(), plain}}
	}
	rows := [][]cell{
		line("global latency, stu", func(f replay.Figures) replay.Figure { return f.G }),
		line("95th percentile, stu", func(f replay.Figures) replay.Figure { return f.P95 }),
		line("hot, % of rounds", func(f replay.Figures) replay.Figure { return f.HotPercent }),
		line("nodes moved an hour", func(f replay.Figures) replay.Figure { return f.MovesPerHour }),
		line("ILMs", func(f replay.Figures) replay.Figure { return f.ILMs }),
		line("polls skipped", func(f replay.Figures) replay.Figure { return f.Skipped }),
	}
	kinds := make(map[string]bool)
	for _, f := range []replay.Figures{r.Replayed, r.Plan.WhatIf} {
		for k := range f.PerHour {
			kinds[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		rows = append(rows, []cell{{k + "s an hour", plain}, {"-", plain}, {r.Replayed.PerHour[k].String(), plain}, {r.Plan.WhatIf.PerHour[k].String(), plain}})
	}
	p.table([]string{"", ">RECORDED", ">REPLAYED", ">" + what}, rows)
}
