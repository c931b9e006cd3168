package agent

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"simone/mib"
)

// Place is where a node stands in the tree, as its manager announced it. It
// is valid at one epoch of the node's ownership.
type Place struct {
	ID       mib.NodeID // 0 before the node has joined
	Level    uint32     // distance from the TLM, 0 to 255
	Parent   string     // address of the manager, host:port; empty at the TLM
	ParentID mib.NodeID
	Path     string // NodeIDs from the TLM down to the node's own: 1/4/17
	Epoch    mib.Epoch
}

// ErrStale says that a place is older than the one the node has.
var ErrStale = errors.New("an announcement of a newer owner stands")

// replacedBy says why next may not follow p. An older epoch never may. The
// present one may repeat what is there, and its owner may correct address,
// level and path, which change above it without a move; but the same epoch
// never makes the node another's.
func (p Place) replacedBy(next Place) error {
	switch c := next.Epoch.Compare(p.Epoch); {
	case c < 0:
		return fmt.Errorf("epoch %v is older than the present %v: %w", next.Epoch, p.Epoch, ErrStale)
	case c == 0 && !p.Epoch.IsZero() && (next.ID != p.ID || next.ParentID != p.ParentID):
		return fmt.Errorf("at epoch %v the node is %v of parent %v; as %v of parent %v it needs a higher epoch: %w",
			p.Epoch, p.ID, p.ParentID, next.ID, next.ParentID, ErrStale)
	}
	return nil
}

// checkParent holds the syntax of simoneNodeParent.
func checkParent(s string) error {
	if s == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return fmt.Errorf("%q is not host:port or [host]:port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q: the port is not a number from 1 to 65535", s)
	}
	return nil
}

// checkPath holds the syntax of simoneNodePath.
func checkPath(s string) error {
	if s == "" {
		return nil
	}
	var seen []uint64
	for part := range strings.SplitSeq(s, "/") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || n == 0 {
			return fmt.Errorf("path %q: %q is not a NodeID; write it as 1/4/17", s, part)
		}
		if slices.Contains(seen, n) {
			return fmt.Errorf("path %q closes a loop at node %d", s, n)
		}
		seen = append(seen, n)
	}
	return nil
}
