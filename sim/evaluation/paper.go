package evaluation

import (
	"fmt"
	"strconv"
	"strings"

	"simone/sim/scenario"
)

var static = policy("static")

// Exhibits lists the paper's tables and figures, and four of our own.
func Exhibits() []Exhibit {
	return []Exhibit{
		table1(), figure4(), figure5Split(), figure5Migrate(), figure5Merge(), figure5Trigger(),
		figure6Share(), figure6Visit(), history(), fanIn(), policies(), deaths(), cases(),
	}
}

func table1() Exhibit {
	return Exhibit{
		ID: "table1", Title: "Table 1: thresholds", Keys: []string{"G", "job_weighted_mean", "p95", "moves_per_hour"},
		About: "Global latency as one region of the thresholds is made larger, 1,024 leaves and 8 ILMs, NCS-H.",
		Rows: []Row{
			{Label: "static", Scenario: with(static), Paper: 15.89},
			{Label: "0.1-20-500, normal", Scenario: with(split(20)), Paper: 11.6, Versus: "static"},
			{Label: "0.1-10-500, more splits", Scenario: with(split(10)), Paper: 14.27, Versus: "static"},
			{Label: "0.1-20-50, more migrations", Scenario: with(thresholds(0.1, 20, 50), coldest), Paper: 17.7, Versus: "static"},
			{Label: "1-20-500, more merges", Scenario: with(thresholds(1, 20, 500)), Paper: 13.3, Versus: "static"},
		},
		Claims: []Claim{
			{Text: "with normal thresholds latency is lower than with any larger region", Pairs: [][2]string{
				{"0.1-20-500, normal", "0.1-10-500, more splits"}, {"0.1-20-500, normal", "0.1-20-50, more migrations"}, {"0.1-20-500, normal", "1-20-500, more merges"}}},
		},
	}
}

func figure4() Exhibit {
	e := Exhibit{
		ID: "figure4", Title: "Figure 4: mean and standard deviation of the ILMs' latencies", Keys: []string{"global_latency"},
		About: "The reconfigurable scheme has lower and flatter latencies, and they differ less between ILMs, NCS-H.",
	}
	for _, s := range []struct {
		name         string
		leaves, ilms int
	}{{"1024/8", 1024, 8}, {"2048/16", 2048, 16}} {
		for _, m := range []struct{ name, key string }{{"mean", "global_latency"}, {"deviation", "deviation"}} {
			name := s.name + " " + m.name + ", "
			e.Rows = append(e.Rows,
				Row{Label: name + "static", Point: s.name + " " + m.name, Series: "static", Scenario: with(static, size(s.leaves, s.ilms)), Key: m.key, Paper: unsaid},
				Row{Label: name + "reconfigurable", Point: s.name + " " + m.name, Series: "reconfigurable", Scenario: with(size(s.leaves, s.ilms)), Key: m.key, Paper: unsaid})
			e.Claims = append(e.Claims, Claim{Text: fmt.Sprintf("the %s is lower at %s", m.name, s.name), Pairs: [][2]string{{name + "reconfigurable", name + "static"}}})
		}
	}
	return e
}

// curve adds a point for each value, with its number as label.
func (e *Exhibit) curve(series string, values []float64, scenario func(float64) change, more ...change) {
	for _, v := range values {
		label := strconv.FormatFloat(v, 'g', -1, 64)
		point := label
		if series != "" {
			label = series + " " + label
		}
		e.Rows = append(e.Rows, Row{Label: label, Point: point, Series: series, Scenario: with(append(more, scenario(v))...), Paper: unsaid})
	}
}

func (e *Exhibit) withStatic() {
	e.Rows = append(e.Rows, Row{Label: "static", Scenario: with(static), Paper: 15.89})
}

// paperAt notes what the paper's text gives for points of a figure.
func (e *Exhibit) paperAt(label string, value float64) {
	for i := range e.Rows {
		if e.Rows[i].Label == label {
			e.Rows[i].Paper, e.Rows[i].Versus = value, "static"
		}
	}
}

func figure5Split() Exhibit {
	e := Exhibit{
		ID: "figure5-i", Title: "Figure 5 (i): the split threshold", Axis: "split threshold (stu)", Keys: []string{"G", "job_weighted_mean", "moves_per_hour"},
		About: "Merge 0.1, migrate 500. The optimum is in the middle; at low thresholds latency may even exceed the static scheme's, from very frequent transformations.",
	}
	e.curve("", []float64{2.5, 5, 7.5, 10, 12.5, 15, 17.5, 20, 25, 30, 40}, split)
	e.withStatic()
	e.paperAt("10", 14.25)
	e.paperAt("17.5", 8.09)
	e.paperAt("20", 11.6)
	e.paperAt("25", 15.8)
	e.Claims = []Claim{
		{Text: "the optimum is in the middle", Pairs: [][2]string{{"17.5", "5"}, {"17.5", "40"}}},
		{Text: "latency falls up to it", Pairs: falling("2.5", "5", "7.5", "10", "12.5", "15", "17.5"), NotMore: true},
		{Text: "and rises beyond", Pairs: rising("17.5", "20", "25", "30", "40"), NotMore: true},
		{Text: "low thresholds exceed the static scheme", Pairs: [][2]string{{"static", "5"}}},
	}
	return e
}

func figure5Migrate() Exhibit {
	e := Exhibit{
		ID: "figure5-ii", Title: "Figure 5 (ii): the migrate threshold", Axis: "migrate threshold (stu)", Keys: []string{"G", "job_weighted_mean", "transformations_per_hour"},
		About: "Merge 0.1, split 17.5. Large thresholds give low latencies: migration is to be used sparingly.",
	}
	at := func(v float64) change { return thresholds(0.1, 17.5, v) }
	values := []float64{20, 50, 100, 200, 500, 1000}
	e.curve("to an idle host", values, at)
	e.curve("to the coldest", values, at, coldest)
	e.Claims = []Claim{
		{Text: "large thresholds are better than the lowest", Pairs: [][2]string{{"to an idle host 500", "to an idle host 20"}, {"to the coldest 500", "to the coldest 20"}}},
		{Text: "no threshold is better than 500", Pairs: append(e.versus("to an idle host 500", "to an idle"), e.versus("to the coldest 500", "to the coldest")...), NotMore: true},
	}
	return e
}

func figure5Merge() Exhibit {
	e := Exhibit{
		ID: "figure5-iii", Title: "Figure 5 (iii): the merge threshold", Axis: "merge threshold (stu)", Keys: []string{"G", "ilms_mean", "job_weighted_mean"},
		About: "Split 17.5, migrate 500. Low thresholds are recommended, above all with few ILMs: a merge frees a host and loads the others.",
	}
	e.curve("", []float64{0.1, 1, 3, 5, 6, 7, 8, 10}, func(v float64) change { return thresholds(v, 17.5, 500) })
	e.Claims = []Claim{
		{Text: "low thresholds are better", Pairs: [][2]string{{"0.1", "10"}, {"0.1", "7"}}},
		{Text: "no threshold is better than the lowest", Pairs: e.versus("0.1", ""), NotMore: true},
	}
	return e
}

func figure5Trigger() Exhibit {
	e := Exhibit{
		ID: "figure5-iv", Title: "Figure 5 (iv): the trigger period", Axis: "trigger period (stu)", Keys: []string{"G", "job_weighted_mean", "moves_per_hour"},
		About: "Frequent triggers react to spikes at once; very frequent ones do harm.",
	}
	e.curve("", []float64{25, 50, 100, 200, 500, 1000, 2000, 5000}, trigger)
	e.withStatic()
	e.Claims = []Claim{
		{Text: "the optimum is in the middle", Pairs: [][2]string{{"100", "25"}, {"100", "5000"}}},
		{Text: "latency falls up to it", Pairs: falling("25", "50", "100"), NotMore: true},
		{Text: "and rises beyond", Pairs: rising("100", "200", "500", "1000", "2000", "5000"), NotMore: true},
		{Text: "very frequent triggers are counterproductive", Pairs: [][2]string{{"static", "25"}}},
	}
	return e
}

// falling and rising are that a curve goes down, or up, from point to point.
func falling(labels ...string) (pairs [][2]string) {
	for i := range labels[1:] {
		pairs = append(pairs, [2]string{labels[i+1], labels[i]})
	}
	return pairs
}

func rising(labels ...string) (pairs [][2]string) {
	for i := range labels[1:] {
		pairs = append(pairs, [2]string{labels[i], labels[i+1]})
	}
	return pairs
}

// versus pairs one row with all others of the exhibit that begin alike.
func (e *Exhibit) versus(label, prefix string) (pairs [][2]string) {
	for _, r := range e.Rows {
		if r.Label != label && strings.HasPrefix(r.Label, prefix) {
			pairs = append(pairs, [2]string{label, r.Label})
		}
	}
	return pairs
}

// zones are figure 6's schemes.
func zones(papers [4]float64) (rows []Row) {
	for i, z := range []struct {
		name   string
		change change
	}{{"static", static}, {"low", split(10)}, {"medium", split(17.5)}, {"high", split(25)}} {
		r := Row{Label: z.name, Point: z.name, Scenario: with(z.change), Paper: papers[i]}
		if i > 0 {
			r.Versus = "static"
		}
		rows = append(rows, r)
	}
	return rows
}

func zoneClaims() []Claim {
	return []Claim{
		{Text: "every reconfigurable scheme has less than the static one", Pairs: [][2]string{{"low", "static"}, {"medium", "static"}, {"high", "static"}}},
		{Text: "medium thresholds have least", Pairs: [][2]string{{"medium", "low"}, {"medium", "high"}}},
	}
}

func figure6Share() Exhibit {
	return Exhibit{
		ID: "figure6-i", Title: "Figure 6 (i): time in the hot zone", Keys: []string{"hot_percent", "hot_percent_own"},
		About: "Percent of the time that an ILM's temperature is above 1.2 times the global latency; low, medium and high are 0.1-10-500, 0.1-17.5-500 and 0.1-25-500.",
		Rows:  zones([4]float64{37, 23, 10, 24}), Claims: zoneClaims(),
	}
}

func figure6Visit() Exhibit {
	return Exhibit{
		ID: "figure6-ii", Title: "Figure 6 (ii): length of a visit to the hot zone", Keys: []string{"hot_visit"},
		About: "Triggers in a row.",
		Rows:  zones([4]float64{19, 4, 3, 7}), Claims: zoneClaims(),
	}
}

func history() Exhibit {
	e := Exhibit{
		ID: "history", Title: "Section 5.4: temperature with history", Keys: []string{"G", "hot_percent", "moves_per_hour"},
		About: "Deciding on 0.57 T + 0.28 T1 + 0.15 T2 instead of T avoids transformations for short spikes. (At the medium threshold the paper's own numbers say the opposite of its text.)",
	}
	for _, z := range []struct {
		name              string
		at, current, past float64
	}{{"low", 10, 14.25, 13.07}, {"medium", 17.5, 8.09, 10.27}, {"high", 25, 15.8, 12.47}} {
		current, past := z.name+", current", z.name+", weighted"
		e.Rows = append(e.Rows,
			Row{Label: current, Scenario: with(split(z.at)), Paper: z.current},
			Row{Label: past, Scenario: with(split(z.at), weighted), Paper: z.past, Versus: current})
		e.Claims = append(e.Claims, Claim{Text: "weighted is better at the " + z.name + " threshold", Pairs: [][2]string{{past, current}}})
	}
	return e
}

func fanIn() Exhibit {
	e := Exhibit{
		ID: "fan-in", Title: "Section 5.1: 64 to 2,048 leaves, 2 to 64 ILMs", Keys: []string{"G", "job_weighted_mean", "skipped_polls"},
		About: "NCS-P. At small fan-in both schemes have low latencies, static slightly lower; at intermediate fan-in the reconfigurable one has 10 to 60 % less and delays saturation.",
	}
	for leaves := 64; leaves <= 2048; leaves *= 2 {
		for ilms := 2; ilms <= 64 && ilms <= leaves/2; ilms *= 2 {
			name := fmt.Sprintf("%d/%d", leaves, ilms)
			e.Rows = append(e.Rows,
				Row{Label: name + " static", Scenario: with(ncsP, static, size(leaves, ilms)), Paper: unsaid},
				Row{Label: name + " reconfigurable", Scenario: with(ncsP, size(leaves, ilms)), Paper: unsaid})
		}
	}
	below := func(names ...string) (pairs [][2]string) {
		for _, n := range names {
			pairs = append(pairs, [2]string{n + " reconfigurable", n + " static"})
		}
		return pairs
	}
	var all []string
	for _, r := range e.Rows {
		if name, ok := strings.CutSuffix(r.Label, " static"); ok {
			all = append(all, name)
		}
	}
	e.Claims = []Claim{
		{Text: "at fan-in 128 the reconfigurable scheme has less", Pairs: below("256/2", "512/4", "1024/8", "2048/16")},
		{Text: "at fan-in 256 too", Pairs: below("512/2", "1024/4", "2048/8")},
		{Text: "at fan-in 8 static has slightly less", Pairs: [][2]string{{"512/64 static", "512/64 reconfigurable"}, {"256/32 static", "256/32 reconfigurable"}}},
		{Text: "nowhere has the reconfigurable scheme more", Pairs: below(all...), NotMore: true},
	}
	return e
}

func policies() Exhibit {
	return Exhibit{
		Own: true, ID: "policies", Title: "Other rules on the same workload", Keys: []string{"G", "hot_percent", "p95", "job_weighted_mean", "moves_per_hour", "ncs_slowdown", "tlm_latency"},
		About: "Not in the paper: what rules of today's systems and relocation reach, and bounds for all of them. NCS-H, 1,024 leaves, 8 ILMs.",
		Rows: []Row{
			{Label: "static", Scenario: with(static), Paper: 15.89},
			{Label: "paper, 0.1-17.5-500", Scenario: with(), Paper: 8.09, Versus: "static"},
			{Label: "static hash", Scenario: with(policy("static-hash")), Paper: unsaid},
			{Label: "consistent hash, bound 1.1", Scenario: with(policy("bounded-hash")), Paper: unsaid},
			{Label: "gnmic", Scenario: with(policy("gnmic")), Paper: unsaid},
			{Label: "Zabbix", Scenario: with(policy("zabbix")), Paper: unsaid},
			{Label: "pull queue", Scenario: with(policy("pull")), Paper: unsaid},
			{Label: "balance, moves as they are live", Scenario: with(policy("balance")), Paper: unsaid, Versus: "static"},
			{Label: "relocate, factor 4", Scenario: with(factor(4)), Paper: unsaid},
			{Label: "relocate, factor 3", Scenario: with(factor(3)), Paper: unsaid},
			{Label: "relocate, factor 2", Scenario: with(factor(2)), Paper: unsaid},
			{Label: "bound: balance on fixed hosts", Scenario: with(policy("oracle-balance")), Paper: unsaid},
			{Label: "bound: relocate and balance", Scenario: with(policy("oracle-relocate")), Paper: unsaid},
		},
	}
}

// deaths is all policies on the same traces in which ILMs die.
func deaths() Exhibit {
	e := Exhibit{
		Own: true, ID: "deaths", Title: "All rules, where ILMs die", Keys: []string{"uncovered", "uncovered_max", "G", "job_weighted_mean", "hot_percent", "p95", "moves_per_hour", "ilms_mean"},
		About: "Not in the paper: each ILM's manager dies every 40 minutes in the mean, the same for all, and is back after 5. Where the daemons' engine moves nodes (as they are live), who is back stays an ILM beside who took its place until the policy retires one, so look at ilms_mean. Uncovered is how long its nodes are polled by nobody, in stu of 0.1 s.",
	}
	for _, r := range []struct {
		name   string
		policy change
	}{
		{"static", static},
		{"static hash", policy("static-hash")},
		{"consistent hash, bound 1.1", policy("bounded-hash")},
		{"gnmic", policy("gnmic")},
		{"Zabbix", policy("zabbix")},
		{"pull queue", policy("pull")},
		{"paper, 0.1-17.5-500", policy("paper")},
		{"paper, moves as they are live", func(p *scenario.Parameters) { p.Enact = "staged" }},
		{"relocate, factor 3", factor(3)},
		{"balance, moves as they are live", policy("balance")},
		{"bound: balance on fixed hosts", policy("oracle-balance")},
		{"bound: relocate and balance", policy("oracle-relocate")},
	} {
		e.Rows = append(e.Rows, Row{Label: r.name, Scenario: with(r.policy, func(p *scenario.Parameters) { p.MTBF = 24_000 }), Paper: unsaid})
	}
	e.Claims = []Claim{{Text: "with balance nodes are uncovered for less long than with any rule of today's systems that has owners", Pairs: [][2]string{
		{"balance, moves as they are live", "static"}, {"balance, moves as they are live", "static hash"}, {"balance, moves as they are live", "consistent hash, bound 1.1"},
		{"balance, moves as they are live", "gnmic"}, {"balance, moves as they are live", "Zabbix"},
	}}}
	return e
}

// cases are loads that trap a policy that goes by what it sees.
func cases() Exhibit {
	e := Exhibit{
		Own: true, ID: "cases", Title: "The default policy on loads of many kinds", Keys: []string{"G", "hot_percent", "p95", "moves_per_hour", "ncs_slowdown"},
		About: "Not in the paper: policy balance, its moves made by the daemons' engine, beside the static scheme.",
	}
	var pairs [][2]string
	for _, c := range []struct {
		name    string
		changes []change
	}{
		{"NCS-H", nil},
		{"NCS-P", []change{ncsP}},
		{"bursty", []change{func(p *scenario.Parameters) { p.Shape, p.Mean, p.ReportCost = 0.5, 400, 0.068 }}},
		{"rho 0.8", []change{func(p *scenario.Parameters) { p.Rho = 0.8 }}},
		{"fan-in 8", []change{size(64, 8)}},
		{"fan-in 64", []change{size(512, 8)}},
		{"fan-in 256", []change{size(2048, 8)}},
		{"fan-in 512", []change{size(4096, 8)}},
		{"staggered polls", []change{func(p *scenario.Parameters) { p.Stagger = 1 }}},
		{"speeds that are told", []change{func(p *scenario.Parameters) { p.SpeedSigma = 0.5 }}},
		{"speeds that are not", []change{func(p *scenario.Parameters) { p.SpeedSigma, p.SpeedKnown = 0.5, false }}},
		{"a flash crowd", []change{func(p *scenario.Parameters) { p.Crowd, p.CrowdAt = 30, 50_000 }}},
		{"all equally hot", []change{func(p *scenario.Parameters) { p.Rho, p.Hot = 0, 3 }}},
		{"hosts that flip", []change{func(p *scenario.Parameters) { p.Rho, p.Flip = 0.2, 100 }}},
		{"hosts that flip later", []change{func(p *scenario.Parameters) { p.Rho, p.Flip, p.FlipPhase = 0.2, 100, 0.5 }}},
		{"four workers", []change{func(p *scenario.Parameters) { p.W = 4 }}},
		{"20 stu per role start", []change{func(p *scenario.Parameters) { p.RoleStart = 20 }}},
		{"3,000 moves an hour", []change{func(p *scenario.Parameters) { p.Budget = 3000 }}},
	} {
		e.Rows = append(e.Rows,
			Row{Label: c.name + ": static", Scenario: with(append(c.changes, static)...), Paper: unsaid},
			Row{Label: c.name + ": balance", Scenario: with(append(c.changes, policy("balance"))...), Paper: unsaid, Versus: c.name + ": static"})
		pairs = append(pairs, [2]string{c.name + ": balance", c.name + ": static"})
	}
	e.Claims = []Claim{{Text: "nowhere has balance more than the static scheme", Pairs: pairs, NotMore: true}}
	return e
}
