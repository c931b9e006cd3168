package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"simone/mib"
)

// NodeOptions say what a node is. Name and Collector are needed.
type NodeOptions struct {
	Name      string
	Address   string // where the agent answers, host:port
	Zone      string
	Candidate bool     // it may become an ILM
	Role      mib.Role // from the start; a leaf if 0
	Software  string   // name and version

	// StateDir keeps UUID and place across restarts; made when missing. If
	// empty nothing is kept, and each start is a new node.
	StateDir string

	// Collector measures for the node. Several nodes may share one; the
	// caller runs it.
	Collector *Collector

	// OnPlace is called, if not nil, after the node's place changed by SET.
	// It must not block.
	OnPlace func(Place)

	Start time.Time // of the process; now if zero
}

// Identity is who and where a node is, as a manager on the node needs it.
type Identity struct {
	ID        mib.NodeID // 0 before it has joined
	Role      mib.Role
	Level     uint32
	Path      string // NodeIDs from the TLM down to its own: 1/4/17
	Address   string // where its agent answers, host:port
	Candidate bool
}

// Node is the identity and place of one node, and its groups of the MIB:
// simoneNode, simoneMetricTable and simoneMetricRegistryTable. All methods
// are safe for concurrent use, but for Register and Close.
type Node struct {
	options NodeOptions
	uuid    string
	state   *state
	metrics metricRows
	role    atomic.Int32
	holds   atomic.Pointer[string] // simoneNodeCapabilities
	numbers atomic.Pointer[mib.Registry]

	mu    sync.Mutex // guards changes of place; held while one is written to disk
	place atomic.Pointer[Place]
}

// OpenNode reads the node's UUID and place from its state directory, or makes
// the UUID. Close it at the end.
func OpenNode(o NodeOptions) (*Node, error) {
	if o.Name == "" {
		return nil, errors.New("open node: it has no name")
	}
	if o.Collector == nil {
		return nil, fmt.Errorf("open node %s: it has no collector", o.Name)
	}
	if o.Role == 0 {
		o.Role = mib.RoleLeaf
	}
	if o.Start.IsZero() {
		o.Start = time.Now()
	}
	registry, err := mib.NewRegistry(mib.Profiles()...)
	if err != nil {
		return nil, fmt.Errorf("open node %s: %w", o.Name, err)
	}
	st, err := openState(o.StateDir)
	if err != nil {
		return nil, fmt.Errorf("open node %s: %w", o.Name, err)
	}
	n := &Node{options: o, state: st}
	n.uuid, err = st.uuid()
	if err == nil {
		var place Place
		place, err = st.place()
		n.place.Store(&place)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open node %s: %w", o.Name, err), st.close())
	}
	n.metrics.collector = o.Collector
	n.role.Store(int32(o.Role))
	n.holds.Store(new(string))
	n.numbers.Store(registry)
	return n, nil
}

// Close gives the state directory free for another process.
func (n *Node) Close() error { return n.state.close() }

// Name is the node's name.
func (n *Node) Name() string { return n.options.Name }

// UUID is the node's identity, which outlives its name and address.
func (n *Node) UUID() string { return n.uuid }

// Zone is where the node's address is reachable.
func (n *Node) Zone() string { return n.options.Zone }

// Start is when the process started.
func (n *Node) Start() time.Time { return n.options.Start }

// Collector is what measures for the node.
func (n *Node) Collector() *Collector { return n.options.Collector }

// Place is where the node stands in the tree. It does not wait for a change
// that is being written to disk.
func (n *Node) Place() Place { return *n.place.Load() }

// SetPlace changes the node's place from inside, under the rule that holds
// for a SET (ErrStale), and stores it. OnPlace is not called.
func (n *Node) SetPlace(p Place) error {
	if err := errors.Join(checkParent(p.Parent), checkPath(p.Path)); err != nil {
		return fmt.Errorf("place node %s: %w", n.options.Name, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.Place().replacedBy(p); err != nil {
		return fmt.Errorf("place node %s: %w", n.options.Name, err)
	}
	return n.store(p)
}

// store makes p the place on disk and then in memory. n.mu is held.
func (n *Node) store(p Place) error {
	if p == n.Place() {
		return nil
	}
	if err := n.state.storePlace(p); err != nil {
		return err
	}
	n.place.Store(&p)
	return nil
}

// Role is what the node does now.
func (n *Node) Role() mib.Role { return mib.Role(n.role.Load()) }

// SetRole says what the node does from now on.
func (n *Node) SetRole(r mib.Role) { n.role.Store(int32(r)) }

// Identity is who and where the node is now.
func (n *Node) Identity() Identity {
	p := n.Place()
	return Identity{p.ID, n.Role(), p.Level, p.Path, n.options.Address, n.options.Candidate}
}

// Intrusion is the percentage of the machine's CPU that SIMONE uses, 0 while
// it is not known.
func (n *Node) Intrusion() float64 {
	i, _ := n.options.Collector.Snapshot().Value("simone_cpu")
	return i
}

// SetRegistry says what the metrics' numbers mean; without it those of the
// profiles simone and system are known.
func (n *Node) SetRegistry(r *mib.Registry) { n.numbers.Store(r) }

// registryRows is simoneMetricRegistryTable.
type registryRows struct{ n *Node }

// Next implements mib.Rows.
func (t registryRows) Next(index mib.OID) (mib.OID, bool) {
	return mib.RegistryRows(t.n.numbers.Load()).Next(index)
}

// Value implements mib.Rows.
func (t registryRows) Value(column uint32, index mib.OID) mib.Value {
	return mib.RegistryRows(t.n.numbers.Load()).Value(column, index)
}

// maxCapabilities is the size of simoneNodeCapabilities.
const maxCapabilities = 1024

// SetCapabilities says which profiles and credentials the node holds, by
// name. It refuses what does not fit simoneNodeCapabilities, and then what
// was said before stands.
func (n *Node) SetCapabilities(profiles, credentials []string) error {
	var words []string
	for _, p := range profiles {
		words = append(words, "profile:"+p)
	}
	for _, c := range credentials {
		words = append(words, "credential:"+c)
	}
	slices.Sort(words)
	s := strings.Join(slices.Compact(words), " ")
	if len(s) > maxCapabilities {
		return fmt.Errorf("the capabilities of node %s take %d octets, and at most %d are shown; hold fewer credentials or give them shorter names",
			n.options.Name, len(s), maxCapabilities)
	}
	n.holds.Store(&s)
	return nil
}

// Capabilities is what SetCapabilities said, as simoneNodeCapabilities.
func (n *Node) Capabilities() string { return *n.holds.Load() }

// SetMetricSource gives the rows that simoneMetricTable shows behind the
// node's own; nil for none.
func (n *Node) SetMetricSource(s MetricSource) {
	if s == nil {
		n.metrics.others.Store(nil)
		return
	}
	n.metrics.others.Store(&s)
}
