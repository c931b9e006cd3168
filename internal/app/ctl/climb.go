package ctl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"simone/mib"
)

// maxHops is how many managers a climb passes at most. Epochs tell four
// levels apart, so a tree is never as deep as this.
const maxHops = 16

// station is a SIMONE node that was asked who it is.
type station struct {
	endpoint
	id       mib.NodeID
	name     string
	role     mib.Role
	parent   string // address of its manager
	software string
}

// label is the station as errors name it.
func (s station) label() string {
	if s.name == "" {
		return s.text
	}
	return fmt.Sprintf("%s at %s", s.name, s.text)
}

// identify asks a node who it is.
func (c *client) identify(ctx context.Context, at endpoint) (station, error) {
	g, err := c.group(ctx, at, mib.SimoneNodeRole, mib.SimoneNodeId, mib.SimoneNodeName, mib.SimoneNodeParent, mib.SimoneNodeSoftware)
	if err != nil {
		return station{}, err
	}
	if _, ok := g.value(mib.SimoneNodeRole); !ok {
		return station{}, failed("give --address that of a simoned or simone-tlm; or may "+c.access.who(reader)+" not see SIMONE-MIB there?",
			"%v answers, but is no SIMONE node: it has no simoneNodeRole", at)
	}
	return station{
		endpoint: at, id: g.node(mib.SimoneNodeId), name: g.text(mib.SimoneNodeName),
		role: mib.Role(g.integer(mib.SimoneNodeRole)), parent: g.text(mib.SimoneNodeParent),
		software: g.text(mib.SimoneNodeSoftware),
	}, nil
}

// top climbs from a node to the TLM of its tree, manager by manager.
func (c *client) top(ctx context.Context, from endpoint) (station, error) {
	at, err := c.identify(ctx, from)
	if err != nil {
		return station{}, err
	}
	path := []station{at}
	for at.role != mib.RoleTLM {
		if at.parent == "" {
			return station{}, failed("wait until a manager has taken it in, or give --address that of the TLM",
				"%s has no manager yet, so the TLM cannot be found from there", at.label())
		}
		up, err := resolve(ctx, at.parent)
		if err != nil {
			return station{}, failed("give --address that of the TLM", "%s says that its manager is at %q: %s", at.label(), at.parent, brief(err))
		}
		for _, s := range path {
			if s.addr == up.addr {
				return station{}, failed("one of these places is old: give --address that of the TLM; simonectl doctor tells more",
					"the way up from %v is a loop: %s", from, trail(path, up.text))
			}
		}
		if len(path) == maxHops {
			return station{}, failed("give --address that of the TLM",
				"no TLM within %d managers above %v: %s", maxHops, from, trail(path, up.text))
		}
		next, err := c.identify(ctx, up)
		if err != nil {
			if f, ok := errors.AsType[*Failure](err); ok && f.Code == ExitUnreachable {
				return station{}, &Failure{
					Code: ExitUnreachable,
					Err:  fmt.Errorf("%s says that its manager is at %v, and %w", at.label(), up, f.Err),
					Hint: "that manager is down, or cannot be reached from this machine, or its community or user is another; " +
						"if it has been replaced, give --address that of the TLM",
				}
			}
			return station{}, err
		}
		at = next
		path = append(path, at)
	}
	return at, nil
}

// trail writes a way up.
func trail(path []station, end string) string {
	var s strings.Builder
	for _, p := range path {
		s.WriteString(p.text + " -> ")
	}
	return s.String() + end
}
