//go:build linux

package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"simone/internal/store"
	"simone/internal/store/etcd"
	"simone/mib"
	"simone/reconfig"
)

// share gives a tree a second TLM, tlm2, with the configuration of the first,
// and both a store in an etcd that outlives them. Nodes announce themselves to
// both. Call it last.
func (tr *tree) share(t *testing.T, e *Etcd, sets ...string) {
	t.Helper()
	tr.etcd = e
	first := tr.members["tlm"]
	first.set("store=etcd://" + tr.etcd.Endpoint + "/test")
	first.set("etcd.compact=true")
	for _, s := range sets {
		first.set(s)
	}
	second := &member{
		name: "tlm2", address: netip.AddrPortFrom(freeBlock(t, 1), agentPort), program: first.program,
		args: slices.Clone(first.args), log: new(logBuffer),
	}
	second.set("name=tlm2")
	second.set("listen=" + second.address.String())
	second.set("state=" + filepath.Join(tr.dir, "tlm2"))
	for _, m := range tr.members {
		if m != first {
			m.set("announce.to=" + first.address.String() + "," + second.address.String())
		}
	}
	tr.members["tlm2"] = second
	tr.expect("does not acknowledge that this node joins") // before one of them leads
}

// shared is what TLMs that share a store keep: the state in etcd, the samples
// in the history of one of them.
type shared struct {
	*store.Memory
	histories []*store.DB
}

// Samples gives what the histories have, together: each has the same, but for
// what came to pass while its TLM was down.
func (s shared) Samples(id mib.NodeID, _ int) ([]reconfig.Stored, error) {
	var all []reconfig.Stored
	for _, db := range s.histories {
		some, err := db.Samples(id, 0)
		if err != nil {
			return nil, err
		}
		for _, x := range some {
			if !slices.ContainsFunc(all, func(y reconfig.Stored) bool { return x.Slot == y.Slot }) {
				all = append(all, x)
			}
		}
	}
	slices.SortFunc(all, func(a, b reconfig.Stored) int { return int(int64(b.Slot) - int64(a.Slot)) })
	return all, nil
}

// Close closes the histories.
func (s shared) Close() error {
	var err error
	for _, db := range s.histories {
		err = errors.Join(err, db.Close())
	}
	return err
}

// openShared reads the store in etcd. The histories are there only if their
// TLMs have stopped.
func (tr *tree) openShared() (kept, error) {
	m, err := etcd.New(etcd.Config{Endpoints: []string{tr.etcd.Endpoint}, Prefix: "/test"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s := shared{}
	if s.Memory, err = m.Read(ctx); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(tr.dir, "tlm*", "history-*.db"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if name := filepath.Base(filepath.Dir(file)); tr.members[name].process != nil && tr.members[name].running() {
			continue
		}
		db, err := store.Open(file)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.histories = append(s.histories, db)
	}
	return s, nil
}

// leader finds the TLM that leads, and makes it the one that is asked; "" if
// none says that it does.
func (tr *tree) leader() string {
	for _, name := range []string{"tlm", "tlm2"} {
		if m := tr.members[name]; m.process != nil && m.running() && tr.leadState(name) == mib.Leading {
			tr.top = name
			return name
		}
	}
	return ""
}

// leadState is what a TLM says that it is; 0 if it does not answer.
func (tr *tree) leadState(name string) mib.LeadState {
	values, err := tr.client.get(tr.members[name].address, mib.Instance(mib.SimoneLeadState))
	if err != nil {
		return 0
	}
	return mib.LeadState(values[0].Int)
}

// settledUnder is settled, with who leads.
func (tr *tree) settledUnder(all ...string) func() string {
	return func() string {
		leader := tr.leader()
		if leader == "" {
			return "nobody leads"
		}
		standby := map[string]string{"tlm": "tlm2", "tlm2": "tlm"}[leader]
		nodes := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == standby })
		return tr.settled(nodes...)()
	}
}

// term is the highest term in the fences of ILMs, and whose it is.
func (tr *tree) term(ilms []string) (uint32, error) {
	highest := uint32(0)
	for _, name := range ilms {
		values, err := tr.client.get(tr.members[name].address, mib.Instance(mib.SimoneIlmFence))
		if err != nil {
			return 0, err
		}
		f, err := mib.ParseFence(values[0].Bytes)
		if err != nil {
			return 0, fmt.Errorf("fence of %s: %w", name, err)
		}
		highest = max(highest, f.Term)
	}
	return highest, nil
}
