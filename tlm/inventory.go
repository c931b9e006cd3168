package tlm

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"simone/internal/config"
	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

const (
	// lookEvery is how often the sources are looked at.
	lookEvery = 5 * time.Second
	// entriesAtOnce is how many entries are worked on together.
	entriesAtOnce = 64
	// maxIdentifyWait is the longest pause between questions to a node that
	// has not yet said who it is.
	maxIdentifyWait = time.Minute
	// profileSimone is how SIMONE nodes are read.
	profileSimone = "simone"
)

// inventory brings what the sources list, and nodes that announce themselves,
// into the engine's inventory. An entry of the sources is known by its name
// (the engine's Key), a node by its UUID; the two become one node when the
// agent at the entry's address says its UUID, or when a node announces itself
// from there.
//
// An entry says how a node is read and by whom it may be managed; the node
// says who it is and what it can. What an entry says is taken when the TLM
// starts and when the entry changes; a node that announces itself from another
// address later is asked there.
type inventory struct {
	m       *Manager
	sources sources
	again   chan struct{} // has room for one: look now

	index *index

	// For run's goroutine only.
	entries map[string]*listed
	asking  string       // the credential of entries that name none
	held    *profile.Set // by which entries are read

	// mu guards the fields below.
	mu       sync.Mutex
	waiting  map[string]announcement     // by UUID
	leaving  map[string]reconfig.Instant // UUIDs that said so, and when
	refusals map[string]string           // by UUID: what was alerted

	lastMalformed string // what was logged last of announcements that cannot be read
}

// listed is an entry of the sources and what has been made of it.
type listed struct {
	config.Inventory
	joined     bool // as it is now
	identified bool // its node has said who it is
	tryAt      time.Time
	wait       time.Duration
	failure    string // of its address, logged once
}

func newInventory(m *Manager) *inventory {
	return &inventory{
		m:       m,
		sources: sources{log: m.log, files: make(map[string]*sourceFile)},
		again:   make(chan struct{}, 1),
		index:   newIndex(m.conductor),
		entries: make(map[string]*listed),
		waiting: make(map[string]announcement), leaving: make(map[string]reconfig.Instant), refusals: make(map[string]string),
	}
}

// kick has run look at once.
func (v *inventory) kick() {
	select {
	case v.again <- struct{}{}:
	default:
	}
}

// run keeps the inventory until ctx ends.
func (v *inventory) run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := v.look(ctx); err != nil && ctx.Err() == nil {
			// The engine is down and says so itself; the next look tries again.
			v.m.log.Debug("the inventory has to wait", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-v.again:
		}
	}
	return nil
}

// look does once what there is to do.
func (v *inventory) look(ctx context.Context) error {
	v.index.rebuild()
	if err := v.joinSelf(ctx); err != nil {
		return err
	}
	v.refresh()
	if err := v.leaveGone(ctx); err != nil {
		return err
	}
	if err := v.joinListed(ctx); err != nil {
		return err
	}
	if err := v.hearAnnounced(ctx); err != nil {
		return err
	}
	v.m.review()
	return nil
}

// review drops what is kept of nodes that are gone, a late sample of theirs
// included, and takes those that do not answer out of the aggregates.
func (m *Manager) review() {
	known := func(id mib.NodeID) bool { _, ok := m.conductor.Node(id); return ok }
	m.latest.forget(known)
	now, interval := m.clock.Now(), m.conductor.Settings().Interval
	for _, id := range m.host.Observed() {
		n, ok := m.conductor.Node(id)
		switch {
		case !ok || gone(n):
			m.host.Forget(id)
		case m.latest.status(n, interval, now) != mib.PollUp:
			m.host.Silence(id)
		}
	}
}

// joinSelf makes sure that the TLM's own node is in the inventory as it is.
func (v *inventory) joinSelf(ctx context.Context) error {
	n := reconfig.Node{
		ID: selfID, UUID: v.m.node.UUID(), Name: v.m.node.Name(), Address: v.m.node.Identity().Address,
		Kind: mib.KindLeaf, Profile: profileSimone, Credential: v.credential(""), Zone: v.m.node.Zone(),
	}
	if old, ok := v.m.conductor.Node(selfID); ok && old.UUID == n.UUID && old.Name == n.Name && old.Address == n.Address &&
		old.Credential == n.Credential && old.Zone == n.Zone {
		return nil
	}
	return v.m.conductor.Join(ctx, n, false)
}

// credential is the name that an entry's credential stands for: the first one
// held if it names none.
func (v *inventory) credential(name string) string {
	if held := v.m.config().Credentials; name == "" && len(held) > 0 {
		return held[0].Name
	}
	return name
}

// refresh reads the sources.
func (v *inventory) refresh() {
	now := v.sources.entries(v.m.config())
	if c := v.credential(""); c != v.asking {
		v.asking = c
		clear(v.entries)
	}
	if held := v.m.profiles(); held != v.held {
		v.held = held
		clear(v.entries)
	}
	for name, e := range now {
		if old := v.entries[name]; old == nil || old.Inventory != e {
			v.entries[name] = &listed{Inventory: e}
		}
	}
	for name, e := range v.entries {
		if _, there := now[name]; !there {
			e.Name = "" // to be taken out
		}
	}
}

// leaveGone takes out the nodes of entries that are gone; but not those that
// have said themselves who they are, which stay as if they had announced
// themselves.
func (v *inventory) leaveGone(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(v.entries)) {
		if v.entries[name].Name != "" {
			continue
		}
		if n, ok := v.index.byKey(name); ok && n.UUID == "" {
			if err := v.m.conductor.Leave(ctx, n.ID); err != nil {
				return err
			}
			v.m.host.Forget(n.ID)
		}
		delete(v.entries, name)
	}
	return nil
}

// joinListed brings entries in that are new, have changed, or whose nodes
// have not yet said who they are.
func (v *inventory) joinListed(ctx context.Context) error {
	var due []*listed
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(v.entries)) {
		if e := v.entries[name]; !(e.joined && e.identified) && !now.Before(e.tryAt) {
			due = append(due, e)
		}
	}
	// NodeIDs in the configuration's order read better than in that of names.
	place := make(map[string]int)
	for i, e := range v.m.config().Nodes {
		place[e.Name] = i - len(v.m.config().Nodes)
	}
	slices.SortStableFunc(due, func(a, b *listed) int { return cmp.Compare(place[a.Name], place[b.Name]) })
	for batch := range slices.Chunk(due, entriesAtOnce) {
		if err := v.joinBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (v *inventory) joinBatch(ctx context.Context, batch []*listed) error {
	addresses, ask := make([]netip.AddrPort, len(batch)), make([]netip.AddrPort, len(batch))
	credentials := make([]string, len(batch))
	failures := make([]error, len(batch))
	var looked sync.WaitGroup
	for i, e := range batch { // a name that nobody knows takes its time
		looked.Go(func() { addresses[i], failures[i] = resolve(ctx, e.Address) })
	}
	looked.Wait()
	for i, e := range batch {
		if err := failures[i]; err != nil {
			e.later()
			if e.failure != err.Error() {
				e.failure = err.Error()
				v.m.log.Warn("a node of the inventory cannot be used", "name", e.Name, "err", err)
			}
			continue
		}
		credentials[i] = v.credential(e.Credential)
		if e.Kind == config.KindNode {
			ask[i] = addresses[i]
		}
	}
	who := v.m.identifyAll(ctx, ask, credentials)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i, e := range batch {
		if !addresses[i].IsValid() {
			continue
		}
		if err := v.joinEntry(ctx, e, addresses[i], who[i]); err != nil {
			return err
		}
	}
	return nil
}

// later has the entry looked at again after a pause that doubles.
func (e *listed) later() {
	e.wait = min(max(2*e.wait, lookEvery), maxIdentifyWait)
	e.tryAt = time.Now().Add(e.wait)
}

// joinEntry brings one entry in. who is what the agent at its address said;
// without a UUID it said nothing, or has none.
func (v *inventory) joinEntry(ctx context.Context, e *listed, address netip.AddrPort, who identity) error {
	e.later()
	if e.joined && who.uuid == "" {
		return nil // nothing new
	}
	e.identified = e.Kind == config.KindDevice || who.uuid != ""

	old, known := v.index.byKey(e.Name)
	n := v.entryNode(e, address)
	if who.uuid != "" {
		if who.uuid == v.m.node.UUID() {
			v.refuse(who.uuid, "entry %q of the inventory is this TLM itself, at %v: take it out", e.Name, address)
			e.joined = true
			return nil
		}
		if known && old.UUID != "" && old.UUID != who.uuid { // another machine took its place
			if err := v.replace(ctx, old, who.uuid); err != nil {
				return err
			}
			known = false
		}
		n.UUID, n.Capabilities = who.uuid, who.capabilities
		n.Candidate = n.Candidate && who.candidate
		n.ID, n.Epoch = who.id, who.epoch
		if same, ok := v.index.byUUID(who.uuid); ok {
			if ok, err := v.mayMove(ctx, same, address.String(), who.address); err != nil || !ok {
				return err
			}
			old, known = same, true
		}
	} else if known && old.UUID != "" && old.Address != n.Address {
		// It has announced itself from elsewhere, and does not answer here.
		v.m.log.Info("a node of the inventory is where it announced itself, and not where the entry says",
			"name", e.Name, "entry", n.Address, "used", old.Address)
		n.Address = old.Address
	}
	if !known {
		old, known = v.index.byAddress(n.Address)
		if known && old.UUID != "" && n.UUID != "" && old.UUID != n.UUID {
			if err := v.replace(ctx, old, n.UUID); err != nil {
				return err
			}
			known = false
		}
	}
	if known {
		n.ID = old.ID
	}
	if err := v.join(ctx, n, who.active); err != nil {
		return err
	}
	e.joined, e.failure = true, ""
	return nil
}

// join brings a node in, and into the index.
func (v *inventory) join(ctx context.Context, n reconfig.Node, active bool) error {
	if err := v.m.conductor.Join(ctx, n, active); err != nil {
		return err
	}
	v.index.added(n)
	return nil
}

// entryNode is an entry as the engine takes it.
func (v *inventory) entryNode(e *listed, address netip.AddrPort) reconfig.Node {
	kind := mib.KindLeaf
	if e.Kind == config.KindDevice {
		kind = mib.KindDevice
	}
	return reconfig.Node{
		Key: e.Name, Name: e.Name, Address: address.String(), Kind: kind, Profile: v.profile(e.ProfileName()),
		Credential: v.credential(e.Credential), Interval: time.Duration(e.Interval), Zone: e.Zone, Candidate: e.Candidate,
	}
}

// profile is how rows name the profiles of an entry. One that is not held stays
// as it is, for whoever holds it.
func (v *inventory) profile(name string) string {
	ref, err := v.m.profiles().Ref(name)
	if err != nil {
		v.m.log.Warn("a profile of the inventory is not held", "profile", name, "err", err)
		return name
	}
	return ref
}

// mayMove reports whether a node that is known by its UUID may be taken for
// the one at address, which calls its own address declared. If something
// answers at the known address too, and calls itself by another address, then
// there are two of them: a copied state directory.
func (v *inventory) mayMove(ctx context.Context, n reconfig.Node, address, declared string) (bool, error) {
	if n.Address == address {
		return true, nil
	}
	home, err := netip.ParseAddrPort(n.Address)
	if err != nil {
		return true, nil // it cannot be asked, nor polled, there
	}
	who, answers := v.m.identify(ctx, home, n.Credential)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if answers && who.uuid == n.UUID && who.address != declared {
		v.refuse(n.UUID, "UUID %s is at two live addresses, %s (node %d, %s) and %s: the second is refused; remove the state directory of the one that was copied and restart it",
			n.UUID, n.Address, n.ID, n.Name, address)
		return false, nil
	}
	return true, nil
}

// replace takes out a node whose address has passed to another one: whatever
// answers there now is not that node.
func (v *inventory) replace(ctx context.Context, old reconfig.Node, uuid string) error {
	if old.ID == selfID {
		return nil
	}
	v.m.log.Warn("another node has taken a node's place, which leaves the inventory",
		"node", old.ID, "name", old.Name, "address", old.Address, "was", old.UUID, "is", uuid)
	if err := v.m.conductor.Leave(ctx, old.ID); err != nil {
		return fmt.Errorf("replace node %d: %w", old.ID, err)
	}
	v.m.host.Forget(old.ID)
	return nil
}

// refuse tells people once why a UUID is not let in.
func (v *inventory) refuse(uuid, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	v.mu.Lock()
	told := v.refusals[uuid] == why
	if len(v.refusals) >= maxWaiting { // of a sender of ever new UUIDs: rather tell some again
		clear(v.refusals)
	}
	v.refusals[uuid] = why
	v.mu.Unlock()
	if !told {
		v.m.alert(why)
	}
}

// alert tells people of something that needs them.
func (m *Manager) alert(text string) {
	m.log.Warn(text)
	m.tell(reconfig.Entry{At: m.clock.Now(), Kind: reconfig.KindJoined, Seen: text, Outcome: "refused"})
}

// tell puts an entry of the TLM's own into the event table.
func (m *Manager) tell(e reconfig.Entry) {
	if err := m.store.AddEntries([]reconfig.Entry{e}); err != nil {
		m.log.Error("event not stored", "err", err)
	}
	m.feed.publish(e)
}
