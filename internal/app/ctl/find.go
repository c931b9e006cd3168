package ctl

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"simone/mib"
)

func nodeByID(nodes []Node, id mib.NodeID) (Node, bool) {
	i := slices.IndexFunc(nodes, func(n Node) bool { return n.ID == id })
	if i < 0 || id == 0 {
		return Node{}, false
	}
	return nodes[i], true
}

// station asks a node of the inventory who it is.
func (c *client) station(ctx context.Context, tlm station, n Node) (station, error) {
	if n.ID == tlm.id { // whose address is known to work
		return tlm, nil
	}
	at, err := resolve(ctx, n.Address)
	if err != nil {
		return station{}, err
	}
	return c.identify(ctx, at)
}

// find reads the inventory and finds the node that an operator means: by
// NodeID, name or address.
func (c *client) find(ctx context.Context, tlm station, what string) (Node, []Node, error) {
	nodes, err := c.nodes(ctx, tlm.endpoint)
	if err != nil {
		return Node{}, nil, err
	}
	n, err := pick(nodes, what)
	return n, nodes, err
}

// pick finds a node among all. A NodeID wins over a name of digits.
func pick(nodes []Node, what string) (Node, error) {
	if id, err := strconv.ParseUint(what, 10, 32); err == nil {
		if n, ok := nodeByID(nodes, mib.NodeID(id)); ok {
			return n, nil
		}
	}
	for _, same := range []func(Node) bool{
		func(n Node) bool { return n.Name == what },
		func(n Node) bool { return n.Address == what },
	} {
		var found []Node
		for _, n := range nodes {
			if same(n) {
				found = append(found, n)
			}
		}
		if len(found) == 1 {
			return found[0], nil
		}
		if len(found) > 1 {
			ids := make([]string, len(found))
			for i, n := range found {
				ids[i] = fmt.Sprintf("%d at %s", n.ID, n.Address)
			}
			return Node{}, usage("say which one by its NodeID: "+strings.Join(ids, ", "), "%d nodes are called %q", len(found), what)
		}
	}
	hint := "simonectl node ls lists them all"
	if near := similar(nodes, what); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "? " + hint
	}
	return Node{}, usage(hint, "there is no node %q among %d", what, len(nodes))
}

// similar gives up to three names that are near to what was typed.
func similar(nodes []Node, what string) []string {
	type guess struct {
		name     string
		distance int
	}
	var guesses []guess
	lower := strings.ToLower(what)
	for _, n := range nodes {
		name := strings.ToLower(n.Name)
		if name == "" {
			continue
		}
		d := distance(lower, name)
		if strings.HasPrefix(name, lower) && len(lower) >= 2 {
			d = min(d, 1)
		}
		if d <= 2 && d < len(name) {
			guesses = append(guesses, guess{n.Name, d})
		}
	}
	slices.SortStableFunc(guesses, func(a, b guess) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, g := range guesses[:min(3, len(guesses))] {
		names = append(names, g.name)
	}
	return names
}

// distance is how many characters have to be put in, taken out or replaced to
// make b of a (Levenshtein's).
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	line := make([]int, len(to)+1)
	for j := range line {
		line[j] = j
	}
	for i, x := range from {
		diagonal := line[0]
		line[0] = i + 1
		for j, y := range to {
			cost := diagonal
			if x != y {
				cost++
			}
			diagonal = line[j+1]
			line[j+1] = min(cost, line[j]+1, line[j+1]+1)
		}
	}
	return line[len(to)]
}
