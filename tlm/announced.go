package tlm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"simone/mib"
	"simone/reconfig"
)

// errAnnouncement says that a notification is not what it must be.
var errAnnouncement = errors.New("malformed announcement")

// maxWaiting bounds the announcements that wait to be looked at: a sender of
// ever new UUIDs fills no memory, and true ones come again.
const maxWaiting = 4096

// announcement is what a node says in simoneNodeJoined.
type announcement struct {
	name, uuid, address, zone string
	candidate                 bool
	capabilities              []string
	source                    netip.AddrPort
}

// Notified takes a notification of a node: the OID of the trap and its
// variables without sysUpTime and snmpTrapOID. It does not block. False says
// that it has not (yet) been accepted, so that an inform is to stay unanswered
// and comes again: a node that has its answer is in the inventory, on disk.
func (m *Manager) Notified(source netip.AddrPort, trap mib.OID, vars []mib.Variable) bool {
	if m.leads != nil && m.leads() != nil {
		return false // another TLM may be the one to tell
	}
	switch {
	case trap.Equal(mib.SimoneNodeJoined):
		a, err := parseAnnouncement(vars)
		if err != nil {
			m.inventory.malformed(source, err)
			return false
		}
		a.source = source
		return m.inventory.announced(a)
	case trap.Equal(mib.SimoneNodeLeaving):
		values := scalarValues(vars)
		if uuid := values[mib.SimoneNodeUuid.String()]; uuid.Type == mib.TypeOctetString {
			m.inventory.left(string(uuid.Bytes))
		}
		return true
	}
	return true // of no interest to us; nobody else will take it either
}

// scalarValues are the variables' values by the OID of their object.
func scalarValues(vars []mib.Variable) map[string]mib.Value {
	values := make(map[string]mib.Value, len(vars))
	for _, v := range vars {
		if n := len(v.Name); n > 1 && v.Name[n-1] == 0 {
			values[v.Name[:n-1].String()] = v.Value
		}
	}
	return values
}

func parseAnnouncement(vars []mib.Variable) (announcement, error) {
	values := scalarValues(vars)
	var failed error
	text := func(object mib.OID) string {
		v, ok := values[object.String()]
		status, reason := mib.NoError, ""
		if o, known := mib.ObjectByOID(object); known && ok {
			status, reason = o.Syntax.Check(v)
		}
		switch {
		case failed != nil:
		case !ok:
			failed = fmt.Errorf("%w: %s is missing", errAnnouncement, mib.NameOf(object))
		case status != mib.NoError:
			failed = fmt.Errorf("%w: %s: %s", errAnnouncement, mib.NameOf(object), reason)
		}
		return string(v.Bytes)
	}
	a := announcement{
		name: text(mib.SimoneNodeName), uuid: text(mib.SimoneNodeUuid), address: text(mib.SimoneNodeAddress),
		zone: text(mib.SimoneNodeZone), capabilities: strings.Fields(text(mib.SimoneNodeCapabilities)),
		candidate: mib.IsTrue(values[mib.SimoneNodeCandidate.String()]),
	}
	if failed != nil {
		return announcement{}, failed
	}
	address, err := netip.ParseAddrPort(a.address)
	switch {
	case a.uuid == "":
		return announcement{}, fmt.Errorf("%w: the UUID is empty", errAnnouncement)
	case err != nil || address.Port() == 0 || address.Addr().IsUnspecified():
		return announcement{}, fmt.Errorf("%w: %q is no address that others could reach; set advertise in the node's configuration", errAnnouncement, a.address)
	}
	return a, nil
}

// announced reports whether the node is in the inventory as it announces
// itself. It is looked at soon in any case: a node that nobody looks after may
// be an ILM that this TLM does not know as one any more, or obey an epoch that
// it does not know of.
func (v *inventory) announced(a announcement) bool {
	v.mu.Lock()
	if _, waits := v.waiting[a.uuid]; waits || len(v.waiting) < maxWaiting {
		v.waiting[a.uuid] = a
	}
	v.mu.Unlock()
	v.kick()
	n, ok := v.index.byUUID(a.uuid)
	return ok && n.Address == a.address && (n.Key != "" || n.Name == a.name && n.Zone == a.zone)
}

// malformed logs an announcement that cannot be read: not again for each
// repetition.
func (v *inventory) malformed(source netip.AddrPort, err error) {
	text := fmt.Sprintf("%v: %v", source.Addr(), err)
	v.mu.Lock()
	told := v.lastMalformed == text
	v.lastMalformed = text
	v.mu.Unlock()
	if !told {
		v.m.log.Warn("an announcement was refused", "from", source, "err", err)
	}
}

// left notes that a node is about to stop.
func (v *inventory) left(uuid string) {
	v.mu.Lock()
	if len(v.leaving) < maxWaiting {
		v.leaving[uuid] = v.m.clock.Now()
	}
	v.mu.Unlock()
	v.kick()
}

// hearAnnounced looks at the announcements that have come in.
func (v *inventory) hearAnnounced(ctx context.Context) error {
	v.mu.Lock()
	waiting, leaving := v.waiting, v.leaving
	v.waiting, v.leaving = make(map[string]announcement), make(map[string]reconfig.Instant)
	v.mu.Unlock()

	for _, uuid := range slices.Sorted(maps.Keys(leaving)) {
		n, ok := v.index.byUUID(uuid)
		if !ok || n.ID == selfID {
			continue
		}
		if v.m.latest.stop(n.ID, leaving[uuid]) {
			v.m.tell(reconfig.Entry{
				At: leaving[uuid], Kind: reconfig.KindLeft, Node: n.ID,
				Seen: n.Name + " says that it stops", Outcome: "it stays in the inventory",
			})
		}
		// Only an ILM need not be waited for; a leaf that stops is silent,
		// and not forgotten.
		if n.Wanted {
			if err := v.m.conductor.Silent(ctx, n.ID); err != nil {
				return err
			}
		}
	}

	all := slices.SortedFunc(maps.Values(waiting), func(a, b announcement) int {
		return strings.Compare(a.name+"\x00"+a.uuid, b.name+"\x00"+b.uuid)
	})
	addresses, credentials := make([]netip.AddrPort, len(all)), make([]string, len(all))
	for i, a := range all {
		addresses[i], credentials[i] = netip.MustParseAddrPort(a.address), v.credential("")
		if e := v.entryAt(a.address); e != nil {
			credentials[i] = v.credential(e.Credential)
		}
	}
	who := v.m.identifyAll(ctx, addresses, credentials)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i, a := range all {
		if err := v.joinAnnounced(ctx, a, who[i]); err != nil {
			return err
		}
	}
	return nil
}

// entryAt is the entry of the sources with that address.
func (v *inventory) entryAt(address string) *listed {
	for _, name := range slices.Sorted(maps.Keys(v.entries)) {
		if e := v.entries[name]; e.Address == address {
			return e
		}
	}
	return nil
}

// joinAnnounced brings a node in that has announced itself. who is what the
// agent at its address says.
func (v *inventory) joinAnnounced(ctx context.Context, a announcement, who identity) error {
	switch {
	case a.uuid == v.m.node.UUID():
		v.refuse(a.uuid, "the node %s at %s has the UUID of this TLM: remove its state directory and restart it", a.name, a.address)
		return nil
	case who.uuid != "" && who.uuid != a.uuid:
		v.refuse(a.uuid, "the node %s announces itself at %s (from %v), where another one answers: correct advertise in its configuration", a.name, a.address, a.source)
		return nil
	}
	n := reconfig.Node{
		UUID: a.uuid, Name: a.name, Address: a.address, Kind: mib.KindLeaf, Profile: profileSimone,
		Credential: v.credential(""), Zone: a.zone, Candidate: a.candidate, Capabilities: a.capabilities,
		ID: who.id, Epoch: who.epoch,
	}
	old, known := v.index.byUUID(a.uuid)
	if known {
		ok, err := v.mayMove(ctx, old, a.address, a.address)
		if err != nil || !ok {
			return err
		}
	} else if old, known = v.index.byAddress(a.address); known && old.UUID != "" {
		if who.uuid == "" {
			// It does not answer there itself; so the one that did stays.
			v.refuse(a.uuid, "the node %s announces itself at %s, which is node %d's (%s): correct advertise in its configuration", a.name, a.address, old.ID, old.Name)
			return nil
		}
		if err := v.replace(ctx, old, a.uuid); err != nil {
			return err
		}
		known = false
	}
	if known {
		n.ID = old.ID
		if e := v.entries[old.Key]; e != nil && old.Key != "" { // the entry says how it is read
			entry := v.entryNode(e, netip.MustParseAddrPort(a.address))
			entry.ID, entry.UUID, entry.Capabilities = n.ID, n.UUID, n.Capabilities
			entry.Candidate = entry.Candidate && a.candidate
			n = entry
			e.joined, e.identified = true, true
		}
	}
	if err := v.join(ctx, n, who.active); err != nil {
		return err
	}
	if now, ok := v.index.byUUID(a.uuid); ok {
		v.m.latest.back(now.ID)
	}
	v.mu.Lock()
	delete(v.refusals, a.uuid)
	v.mu.Unlock()
	return nil
}
