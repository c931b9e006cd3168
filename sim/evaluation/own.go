package evaluation

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"simone/sim"
	"simone/sim/scenario"
)

// own is what was simulated besides the exhibits' scenarios: a sweep of the
// reader's. There may be nothing.
func own(results *sim.Results, exhibits []Exhibit) (e Exhibit, any bool) {
	known := make(map[string]bool)
	for _, x := range exhibits {
		for _, r := range x.Rows {
			known[fmt.Sprint(r.Scenario)], known[fmt.Sprint(sim.BaselineOf(r.Scenario))] = true, true
		}
	}
	var list []scenario.Parameters
	for _, p := range results.Scenarios() {
		if !known[fmt.Sprint(p)] {
			list = append(list, p)
		}
	}
	e = Exhibit{
		ID: "own", Title: "Scenarios of your own", Own: true, Keys: []string{"G", "job_weighted_mean", "hot_percent", "p95", "moves_per_hour", "ncs_slowdown"},
		About: "What this directory holds beyond the paper's, by the keys in which it differs; the static scheme defines the hot zone.",
	}
	e.spread(list)
	return e, len(list) > 0
}

// values are a scenario's, by key.
func values(p *scenario.Parameters) map[string]any {
	b, err := json.Marshal(p)
	v := make(map[string]any)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		return nil // parameters are valid, and can be written and read
	}
	delete(v, "seed")
	return v
}

// spread makes rows of scenarios: in the order of the keys in which they differ,
// and as a figure if one of these is a number.
func (e *Exhibit) spread(list []scenario.Parameters) {
	type row struct {
		Row
		values map[string]any
	}
	var rows []row
	different := make(map[string]map[string]bool)
	for i := range list {
		v := values(&list[i])
		rows = append(rows, row{Row{Scenario: list[i], Paper: unsaid}, v})
		for key, x := range v {
			if different[key] == nil {
				different[key] = make(map[string]bool)
			}
			different[key][fmt.Sprint(x)] = true
		}
	}
	var keys []string
	for key, of := range different {
		if len(of) > 1 || len(of) == 1 && slices.ContainsFunc(rows, func(r row) bool { return r.values[key] == nil }) {
			keys = append(keys, key)
		}
	}
	// The number that takes most values is the axis.
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(different[b]), len(different[a])), cmp.Compare(a, b))
	})
	if i := slices.IndexFunc(keys, func(key string) bool { return isNumber(rows[0].values[key]) }); i >= 0 {
		e.Axis = keys[i]
		keys = slices.Insert(slices.Delete(keys, i, i+1), 0, e.Axis)
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		for _, key := range keys {
			if c := compare(a.values[key], b.values[key]); c != 0 {
				return c
			}
		}
		return 0
	})
	for _, r := range rows {
		var words []string
		for _, key := range keys {
			word := text(r.values[key])
			if key == e.Axis {
				r.Point = word
			} else {
				words = append(words, key+" "+word)
			}
		}
		r.Series = strings.Join(words, ", ")
		r.Label = r.Series
		if e.Axis != "" {
			r.Label = strings.TrimSuffix(e.Axis+" "+r.Point+", "+r.Series, ", ")
		}
		if r.Label == "" {
			r.Label = "policy " + r.Scenario.Policy
		}
		e.Rows = append(e.Rows, r.Row)
	}
}

func isNumber(x any) bool { _, ok := x.(float64); return ok }

// compare orders numbers by their size, and all else as text.
func compare(a, b any) int {
	x, ok := a.(float64)
	if y, too := b.(float64); ok && too {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(text(a), text(b))
}

// text writes a value; one that was left out is the default.
func text(x any) string {
	switch x := x.(type) {
	case nil:
		return "0"
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	return fmt.Sprint(x)
}
