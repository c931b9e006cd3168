package ilm

import (
	"context"
	"time"

	"simone/manager"
	"simone/mib"
	"simone/reconfig"
)

// deepRetry is how long to wait before an engine that could not be made is
// tried again.
const deepRetry = time.Second

// keepManagers gives the node an engine of its own when its parent wants it to
// have ILMs below, and lets it go on once it has been one, so that what it has
// handed out comes back.
func (m *Manager) keepManagers(ctx context.Context) {
	state, err := m.cfg.Managers.Load()
	if err != nil {
		m.log.Error("what this node kept as a manager of ILMs cannot be read", "err", err)
	}
	// Rows that are at ILMs below have to come home even if what was decided
	// about them is lost.
	begun := len(state.Nodes) > 0 || m.host.Away()
	for ctx.Err() == nil {
		told, active := m.host.Told()
		self := m.cfg.Node.Identity()
		begun = begun || active && told.Levels > 0
		if self.ID != 0 && begun {
			m.manage(ctx, manager.DeepConfig{
				Host: m.host, Self: self.ID, Level: m.level(), OnEntry: m.happened, Store: m.cfg.Managers, Poller: m.cfg.Host.Poller,
				Clock: m.cfg.Host.Clock, Seed: uint64(self.ID), Logger: m.cfg.Logger,
			})
			continue
		}
		var announced <-chan time.Time // the place comes without a control SET
		if begun {
			announced = time.After(deepRetry)
		}
		select {
		case <-ctx.Done():
		case <-m.host.Changed():
		case <-announced:
		}
	}
}

// level is the level that the node's engine makes epochs for: the rows of the
// list say it, and without any the node's place in the tree.
func (m *Manager) level() int {
	if level := m.host.ListLevel(); level > 0 {
		return min(level, mib.Levels-1)
	}
	return max(int(m.cfg.Node.Identity().Level), 1)
}

// happened takes what goes into the event table.
func (m *Manager) happened(e reconfig.Entry) {
	if m.herald != nil {
		m.herald.Heard(e)
	}
}

// manage runs an engine until the node's level changes or ctx ends.
func (m *Manager) manage(ctx context.Context, cfg manager.DeepConfig) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	deep, err := manager.NewDeep(cfg)
	if err != nil {
		m.log.Error("this node cannot manage ILMs", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(deepRetry):
		}
		return
	}
	over := make(chan error, 1)
	go func() { over <- deep.Run(ctx) }()
	for {
		if err := deep.Retune(ctx); err != nil && ctx.Err() == nil {
			m.log.Error("settings for the ILMs below were refused", "err", err)
		}
		select {
		case <-over:
			return
		case <-m.host.Changed():
		case <-time.After(deepRetry):
		}
		if m.level() != cfg.Level {
			cancel()
			<-over
			return
		}
	}
}
