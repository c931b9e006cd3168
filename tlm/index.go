package tlm

import (
	"sync"

	"simone/manager"
	"simone/mib"
	"simone/reconfig"
)

// index finds nodes of the engine's inventory by who they are. It may miss a
// node that the engine found by itself since the last rebuild; it never gives
// one that is not as it is asked for.
type index struct {
	conductor *manager.Conductor

	// mu guards the fields below.
	mu                 sync.Mutex
	uuid, key, address map[string]mib.NodeID
}

func newIndex(c *manager.Conductor) *index {
	x := &index{conductor: c}
	x.rebuild()
	return x
}

// rebuild reads the whole inventory. Of several nodes with the same mark, the
// one with the lowest NodeID is found.
func (x *index) rebuild() {
	nodes := x.conductor.Nodes()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.uuid, x.key, x.address = make(map[string]mib.NodeID), make(map[string]mib.NodeID), make(map[string]mib.NodeID)
	for i := len(nodes) - 1; i >= 0; i-- {
		if !gone(nodes[i]) {
			x.put(nodes[i])
		}
	}
}

// put notes a node. x.mu is held.
func (x *index) put(n reconfig.Node) {
	if n.UUID != "" {
		x.uuid[n.UUID] = n.ID
	}
	if n.Key != "" {
		x.key[n.Key] = n.ID
	}
	x.address[n.Address] = n.ID
}

// added notes a node that has just been joined, and that was given the newest
// NodeID if it asked for one.
func (x *index) added(n reconfig.Node) {
	if n.ID == 0 {
		n.ID = x.conductor.Meta().NextID - 1
	}
	got, ok := x.conductor.Node(n.ID)
	if !ok || got.Address != n.Address || got.Key != n.Key && n.Key != "" || got.UUID != n.UUID && n.UUID != "" {
		x.rebuild() // the engine found a node by itself at the same time
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.put(got)
}

// find looks a mark up in one of the maps.
func (x *index) find(in *map[string]mib.NodeID, mark string, fits func(reconfig.Node) bool) (reconfig.Node, bool) {
	x.mu.Lock()
	id, ok := (*in)[mark]
	x.mu.Unlock()
	if !ok {
		return reconfig.Node{}, false
	}
	n, ok := x.conductor.Node(id)
	if !ok || gone(n) || !fits(n) {
		return reconfig.Node{}, false
	}
	return n, true
}

func (x *index) byUUID(uuid string) (reconfig.Node, bool) {
	return x.find(&x.uuid, uuid, func(n reconfig.Node) bool { return n.UUID == uuid })
}

func (x *index) byKey(key string) (reconfig.Node, bool) {
	return x.find(&x.key, key, func(n reconfig.Node) bool { return n.Key == key })
}

func (x *index) byAddress(address string) (reconfig.Node, bool) {
	return x.find(&x.address, address, func(n reconfig.Node) bool { return n.Address == address })
}
