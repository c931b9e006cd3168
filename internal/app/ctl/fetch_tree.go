package ctl

import (
	"context"
	"sync"

	"simone/mib"
)

// surveyor gathers a tree from the top down.
type surveyor struct {
	*client
	tlm      station
	settings Settings
	branches []*Branch // in the order they were found
	byID     map[mib.NodeID]*Branch

	mu    sync.Mutex // guards lists
	lists map[*Branch][]Support
}

// tree reads the whole tree: the TLM and its ILMs from the TLM, and from each
// manager its support list, which leads to the ILMs below it.
func (c *client) tree(ctx context.Context, tlm station) (*Tree, error) {
	settings, err := c.settings(ctx, tlm.endpoint)
	if err != nil {
		return nil, err
	}
	managers, err := c.managers(ctx, tlm.endpoint, settings)
	if err != nil {
		return nil, err
	}
	w := &surveyor{client: c, tlm: tlm, settings: settings, byID: make(map[mib.NodeID]*Branch), lists: make(map[*Branch][]Support)}
	for _, m := range managers {
		w.add(m)
	}
	t := &Tree{Settings: settings, Root: w.byID[tlm.id], Orphans: []*Branch{}}
	if t.Root == nil {
		return nil, failed("simonectl doctor tells more", "the TLM at %v has no row for itself in simoneTreeTable", tlm.endpoint)
	}
	for read := 0; read < len(w.branches); {
		level, known := w.branches[read:], read == 0
		read = len(w.branches)
		each(level, func(b *Branch) { w.visit(ctx, b, known) })
		if ctx.Err() != nil {
			return nil, failed("", "interrupted")
		}
		for _, b := range level {
			for _, s := range w.lists[b] {
				if s.Kind == mib.KindILM.String() && w.byID[s.ID] == nil && b.Level < maxHops {
					w.add(Manager{ID: s.ID, Name: s.Name, Address: s.Address, Level: b.Level + 1, Parent: b.ID, Status: mib.IlmDown.String()})
				}
			}
		}
	}
	for _, b := range w.branches {
		for _, s := range w.lists[b] {
			w.place(b, s)
		}
		if b == t.Root {
			continue
		}
		if parent := w.byID[b.Parent]; parent != nil && rooted(w.byID, b) {
			parent.Branches = append(parent.Branches, b)
		} else {
			t.Orphans = append(t.Orphans, b)
		}
	}
	return t, nil
}

func (w *surveyor) add(m Manager) {
	b := &Branch{Manager: m, Leaves: []Support{}, Branches: []*Branch{}}
	w.branches = append(w.branches, b)
	w.byID[m.ID] = b
}

// visit reads a manager's support list, and how it is if the TLM does not say.
func (w *surveyor) visit(ctx context.Context, b *Branch, known bool) {
	at, err := w.tlm.endpoint, error(nil)
	if b.ID != w.tlm.id { // whose address is known to work
		at, err = resolve(ctx, b.Address)
	}
	if err == nil && !known {
		err = w.figures(ctx, at, w.settings, &b.Manager)
	}
	var list []Support
	if err == nil {
		list, err = w.support(ctx, at)
	}
	if err != nil {
		b.Problem = brief(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists[b] = list
}

// place puts a row of a manager's list where it is to be shown: below the ILM
// that polls the node. If that one cannot be read, what is known above is all
// there is to show.
func (w *surveyor) place(b *Branch, s Support) {
	child, via := w.byID[s.ID], w.byID[s.Via]
	switch {
	case child != nil:
		if child.Parent == b.ID {
			child.RTT = s.RTT
		}
	case s.Via == 0 || via == nil || via == b:
		b.Leaves = append(b.Leaves, s)
	case via.Problem != "":
		via.Leaves = append(via.Leaves, s)
		via.Nodes++
	case !has(w.lists[via], s.ID): // it is moving
		b.Leaves = append(b.Leaves, s)
	}
}

func has(list []Support, id mib.NodeID) bool {
	for _, s := range list {
		if s.ID == id {
			return true
		}
	}
	return false
}

// rooted reports whether the way up from a branch ends, rather than going
// round in a circle.
func rooted(byID map[mib.NodeID]*Branch, b *Branch) bool {
	for range maxHops {
		if b.Parent == 0 {
			return true
		}
		if b = byID[b.Parent]; b == nil {
			return true // its uppermost manager is an orphan
		}
	}
	return false
}
