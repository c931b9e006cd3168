package tlm

import (
	"context"
	"fmt"

	"simone/manager"
	"simone/mib"
	"simone/reconfig"
)

// Register puts the TLM's objects into a tree: those of its own support list,
// simoneReconfig with its tables, and simoneTree.
func (m *Manager) Register(tree *mib.Tree) error {
	if err := m.host.Register(tree); err != nil {
		return fmt.Errorf("tlm: %w", err)
	}
	group := &manager.Reconfig{
		Host: m.host, Conductor: m.Conductor, Settings: m.conductor.Settings, Events: m.store,
		Change: func(ctx context.Context, next reconfig.Settings) error {
			return m.settings.change(ctx, next, m.conductor)
		},
	}
	for _, k := range m.settings.knobs {
		if k.Object.HasPrefix(mib.SimoneReconfig) {
			group.Knobs = append(group.Knobs, k)
		}
	}
	if err := group.Register(tree); err != nil {
		return fmt.Errorf("tlm: %w", err)
	}
	for _, t := range []struct {
		entry mib.OID
		rows  mib.Rows
	}{
		{mib.SimoneTreeEntry, &treeRows{m: m}},
		{mib.SimoneNameEntry, nameRows{m}},
	} {
		table, err := mib.NewTable(t.entry, t.rows)
		if err != nil {
			return fmt.Errorf("tlm: %w", err)
		}
		if err := table.Register(tree); err != nil {
			return fmt.Errorf("tlm: %w", err)
		}
	}
	return registerStanding(tree, m.standing)
}
