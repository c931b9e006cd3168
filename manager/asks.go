package manager

import (
	"context"
	"fmt"

	"simone/mib"
	"simone/reconfig"
)

// Join adds a node to the inventory, or changes what is known of it; only the
// inventory's part of n is read. active says that the node calls itself an
// ILM (reconfig.NodeJoined).
func (c *Conductor) Join(ctx context.Context, n reconfig.Node, active bool) error {
	return c.tell(ctx, "join", func(at reconfig.At) reconfig.Event {
		return reconfig.NodeJoined{At: at, Node: n, Active: active}
	})
}

// Leave takes a node out of the inventory for good.
func (c *Conductor) Leave(ctx context.Context, id mib.NodeID) error {
	return c.tell(ctx, "leave", func(at reconfig.At) reconfig.Event { return reconfig.NodeLeft{At: at, Node: id} })
}

// Silent says that a child manager is known to be gone.
func (c *Conductor) Silent(ctx context.Context, child mib.NodeID) error {
	return c.tell(ctx, "silence", func(at reconfig.At) reconfig.Event { return reconfig.ChildSilent{At: at, Child: child} })
}

// Ask passes on an operator's wish. node is 0 where the wish concerns none.
func (c *Conductor) Ask(ctx context.Context, ask reconfig.Ask, node mib.NodeID) error {
	return c.tell(ctx, "operator's wish", func(at reconfig.At) reconfig.Event {
		return reconfig.OperatorAsked{At: at, Ask: ask, Node: node}
	})
}

// Place has nodes go to the ILMs that an operator named.
func (c *Conductor) Place(ctx context.Context, places []reconfig.Place) error {
	return c.tell(ctx, "operator's wish", func(at reconfig.At) reconfig.Event {
		return reconfig.OperatorAsked{At: at, Ask: reconfig.AskPlace, Places: places}
	})
}

// Trigger asks for a round now and does not wait for it.
func (c *Conductor) Trigger() {
	c.box.put(letter{event: func(now reconfig.Instant) reconfig.Event {
		return reconfig.OperatorAsked{At: reconfig.At{Now: now}, Ask: reconfig.AskTrigger}
	}})
}

// Tune changes the settings of this engine and of those to come.
func (c *Conductor) Tune(ctx context.Context, s reconfig.Settings) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	c.mu.Lock()
	c.settings = s
	c.mu.Unlock()
	return c.tell(ctx, "settings", func(at reconfig.At) reconfig.Event { return reconfig.Tuned{At: at, Settings: s} })
}

// tell puts an event to the engine and waits until what it changes is on
// disk, or for ctx. In the latter case it may still happen.
func (c *Conductor) tell(ctx context.Context, what string, event func(reconfig.At) reconfig.Event) error {
	done := make(chan error, 1)
	c.box.put(letter{
		event: func(now reconfig.Instant) reconfig.Event { return event(reconfig.At{Now: now}) },
		ctx:   ctx,
		done:  done,
	})
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: the engine has not come to it: %w", what, context.Cause(ctx))
	}
}
