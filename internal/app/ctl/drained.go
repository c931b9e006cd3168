package ctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"simone/mib"
)

// drainLook is how often drain --wait looks.
const drainLook = 250 * time.Millisecond

// awaitDrained waits until a drained node may be stopped without a sample
// being lost: nobody takes it for the manager of anything, its own list is
// empty, and all that it has logged is stored above it.
func (o *options) awaitDrained(ctx context.Context, cl *client, tlm station, n *Node, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	look := time.NewTicker(drainLook)
	defer look.Stop()
	told := ""
	for {
		left, err := cl.holds(ctx, tlm, n.ID)
		if err == nil && left == "" {
			return nil
		}
		if err != nil {
			left = brief(err) // one answer that is lost is no reason to give up
		}
		if left != told && ctx.Err() == nil {
			told = left
			fmt.Fprintf(o.stderr, "%s: %s\n", who(n.ID, n.Name), left)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return failed("the drain goes on; undrain ends it", "interrupted: %s", told)
			}
			return failed("the drain goes on; simonectl reconfig explain and doctor tell what is in its way",
				"after %v %s is not free: %s", patience, who(n.ID, n.Name), told)
		}
	}
}

// holds says what a node still has to hand over; "" if nothing.
func (c *client) holds(ctx context.Context, tlm station, id mib.NodeID) (string, error) {
	nodes, err := c.nodes(ctx, tlm.endpoint)
	if err != nil {
		return "", err
	}
	n, known := nodeByID(nodes, id)
	if !known {
		return "", fmt.Errorf("node %d is not in the inventory any more", id)
	}
	owned := 0
	for _, m := range nodes {
		if m.Owner == id {
			owned++
		}
	}
	if owned > 0 {
		return count(owned, "node") + " to hand over", nil
	}
	at, err := resolve(ctx, n.Address)
	if err != nil {
		return "", err
	}
	g, err := c.group(ctx, at, mib.SimoneIlmAdminStatus, mib.SimoneIlmSupportCount, mib.SimoneIlmLogHead, mib.SimoneIlmLogTail)
	if err != nil {
		return "", err
	}
	if rows := g.number(mib.SimoneIlmSupportCount); rows > 0 {
		return count(int(rows), "row") + " on its list", nil
	}
	up, _ := g.value(mib.SimoneIlmAdminStatus)
	if left := g.number(mib.SimoneIlmLogHead) - g.number(mib.SimoneIlmLogTail); left > 0 && mib.IlmAdmin(up.Int) == mib.IlmAdminUp {
		return count(int(left), "record") + " in its log", nil
	}
	return "", nil
}
