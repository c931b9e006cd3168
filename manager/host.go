package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"simone/mib"
	"simone/profile"
	"simone/reconfig"
	"simone/temperature"
)

// Node is the node that a Host runs on, as the Host needs it. It is safe for
// concurrent use.
type Node interface {
	// Identity gives who the node is now.
	Identity() Identity
	// SetRole says what the node does from now on.
	SetRole(mib.Role)
	// Intrusion is the percentage of the node's CPU that SIMONE uses.
	Intrusion() float64
}

// Identity is who a node is: what simoneNode says of it.
type Identity struct {
	ID        mib.NodeID // 0: it has not joined yet
	Role      mib.Role
	Level     uint32
	Path      string // NodeIDs from the TLM down to its own: 1/4/17
	Address   string // where its agent answers, host:port
	Candidate bool   // it may become an ILM
}

// Below is what a Host shows of the managers below its own. It is safe for
// concurrent use.
type Below interface {
	// GlobalLatency is the mean of the ILMs' mean latencies; false if there
	// are no ILMs.
	GlobalLatency() (time.Duration, bool)
	// Census sums up the nodes that are polled by ILMs below, as far as those
	// have lately answered.
	Census() mib.Digest
	// LastRound is when the last round was completed; 0: never.
	LastRound() reconfig.Instant
	// Trigger asks for a round now and returns at once.
	Trigger()
}

// Config is what a Host is made of. Node, Store, Poller, Clock, Profiles and
// HoldsCredential must be given.
type Config struct {
	Node   Node
	Store  ListStore
	Poller Poller
	Clock  Clock
	Logger *slog.Logger // nil discards

	// Profiles gives those that this node holds now.
	Profiles func() *profile.Set
	// HoldsCredential says whether the poller's keyring has a credential.
	HoldsCredential func(name string) bool
	// Credential is for rows that people make without naming one.
	Credential string

	Capacity   int // rows of the support list; 0: no limit
	LogRecords int // of the report log; 0: reconfig's default
	Backlog    int // replies that may wait for the result worker; 0: 4096
	// Incarnation tells this life's report log from others'; 0: random.
	Incarnation uint64
	// LogWindow is how often the report log is written to the store, which has
	// to be a LogStore, so that it outlives the process; 0: it does not.
	LogWindow time.Duration
	// Polled gives the last slot of a node on the list that is known to have
	// been polled before this process (reconfig.ListLimits); it may be nil.
	Polled func(mib.NodeID) (slot uint32, known bool)

	Trigger  time.Duration // window of temperatures until the parent says; 0: 10 s
	Interval time.Duration // of polls, for rows that name none, until the parent says; 0: 10 s
	// Tick is the grid on which polls leave, as a wake-up costs more than a
	// packet: 0 is 5 ms, or where polls are rare up to 50 ms.
	Tick time.Duration
	// Priorities are of profiles, by name; without one SIMONE nodes have
	// PriorityHigh, and devices PriorityNormal.
	Priorities map[string]Priority
	// Tell puts an entry of the host's own into the event table; nil does
	// without.
	Tell func(reconfig.Entry)
	// Processors is how many CPUs the work of polls may use; 0: 1, as the
	// one result worker cannot use more.
	Processors float64

	Tuning Tuning // the zero Tuning is DefaultTuning
	// KeepTuning makes a Tuning durable that came by SET; nil forgets it at
	// the next start.
	KeepTuning func(Tuning) error

	// KeepPace makes the trigger period and the poll interval durable that
	// came by SET, and calls Pace. It is for a node that nobody tells them,
	// the TLM: they are then written without a fence. Nil for all others.
	KeepPace func(trigger, interval time.Duration) error

	// Slow, if set, delays the result worker before each result: a fault
	// that demonstrations and tests inject. It is called by one goroutine.
	Slow func() time.Duration

	// Leads says why this manager may not act now (ConductorConfig): then it
	// tells no node whose it is. Polls go on. Nil is always.
	Leads func() error

	// Below is nil for a manager without managers below.
	Below Below

	// Events, of a node below the top, has what it does as a manager of ILMs
	// below itself; nil for one that never has any.
	Events EntryStore
}

func (c *Config) complete() error {
	var missing []string
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"Node", c.Node != nil}, {"Store", c.Store != nil}, {"Poller", c.Poller != nil},
		{"Clock", !c.Clock.start.IsZero()}, {"Profiles", c.Profiles != nil},
		{"HoldsCredential", c.HoldsCredential != nil},
	} {
		if !f.given {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("manager: the configuration lacks %s", strings.Join(missing, ", "))
	}
	if c.Capacity < 0 || c.LogRecords < 0 || c.Backlog < 0 || c.LogWindow < 0 || c.Trigger < 0 || c.Interval < 0 || c.Tick < 0 || c.Processors < 0 {
		return errors.New("manager: a limit, period or number of processors is negative; write 0 for the default")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for c.Incarnation == 0 {
		c.Incarnation = rand.Uint64()
	}
	if c.Backlog == 0 {
		c.Backlog = 4096
	}
	if c.Trigger == 0 {
		c.Trigger = 10 * time.Second
	}
	if c.Interval == 0 {
		c.Interval = 10 * time.Second
	}
	if c.Tick == 0 {
		c.Tick = 5 * time.Millisecond
	}
	if c.Processors == 0 {
		c.Processors = 1
	}
	if c.Tuning.STU == 0 && c.Tuning.WeightA == 0 && c.Tuning.WeightB == 0 && c.Tuning.Expression == "" && c.Tuning.History == nil {
		c.Tuning = DefaultTuning()
	}
	if err := c.Tuning.Validate(); err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	return nil
}

// Host makes a node's support list live. Create it with New, register its
// objects with Register, then call Run. All other methods are safe for
// concurrent use.
type Host struct {
	cfg      Config
	log      *slog.Logger
	results  *results
	kicked   chan struct{} // holds one token when the list or the settings changed
	trigger  chan struct{} // holds one token when the window is to end now
	changed  chan struct{} // holds one token when a control SET changed something
	runQueue uint32        // the metric of simoneSupportLoad

	logs      LogStore      // nil: the report log is not kept
	logged    loggedTo      // the last batch; for the goroutine that writes them
	concluded chan struct{} // holds one token when a poll was concluded

	due     []departure // for the goroutine that sends them
	sendAll func()      // is depart: made once

	telling sync.WaitGroup // calls of Config.Tell

	// controlMu is held from a control SET that passed its test until it
	// ends, so that what was planned is still true when it is applied.
	controlMu sync.Mutex

	// mu guards the fields below. It is held briefly, never during I/O.
	mu         sync.Mutex
	list       *reconfig.List
	self       Identity // as it was when the SET under test came
	values     *values
	nodes      map[mib.NodeID]*rowState
	held       *profile.Set // of which plans and questions are
	plans      map[string]*profile.Plan
	former     map[string]*profile.Plan // of what was held before; rows may still name it
	questions  map[asks]*question
	window     window
	measures   Measures
	meter      *temperature.Meter
	tuning     Tuning
	pace       pace // until the parent says
	counts     Counts
	leaving    int           // polls that are due and not handed to the poller yet
	sending    time.Duration // what handing one over costs
	shedder    shedder
	shedBefore uint64    // polls, until that began which goes on
	landed     []*flight // to be used again
	running    bool
	asked      reconfig.Instant // when the parent last asked; 0: never
	askedLast  reconfig.Instant // when it had asked before that
	lastError  string           // of the last refused control SET
	deep       *Deep            // nil: no managers below
	middle     *reconfig.Middle // of deep
}

// rowState is what the Host keeps of a row beside the list.
type rowState struct {
	since      reconfig.Instant // when the row was put
	address    string           // as the row has it, which is at
	at         netip.AddrPort
	most       int     // variables that the node is asked for at a time, as more were too big; 0: all
	along      bool    // its tables were read whole: scalars are read along with them
	apart      bool    // that has gone wrong: they are not any more
	debt       float64 // to shedding
	row        string  // the profiles that the row names
	profiles   string  // those that it comes to, or what leaves them to be chosen
	past       profile.Past
	cut        bool         // its samples are too large, and that was logged
	runQueue   float64      // of the sample before the last
	told       announcement // what the node has acknowledged or refused for good
	announcing bool
}

// newRowState makes the state of a row. What its first polls owe to shedding
// differs from node to node, so that not all are shed at once.
func newRowState(id mib.NodeID, now reconfig.Instant) *rowState {
	return &rowState{since: now, debt: float64(uint32(id)*2654435769) / (1 << 32)}
}

// Counts count what a Host did since it started.
type Counts struct {
	Polls     uint64 // requests, retries included
	Failures  uint64 // polls without a usable answer
	Skipped   uint64 // slots that passed without a poll
	Overflows uint64 // of the failures: the result queue was full
	// Shed is how many polls did not leave as there was no time for them, by
	// priority. They are among the Skipped.
	Shed          [priorities]uint64
	Announced     uint64 // nodes that took this manager's announcement
	Refused       uint64 // announcements that a node refused: it has a newer owner
	StaleFences   uint64 // control SETs refused for their fence
	RefusedRows   uint64 // control SETs refused for a row
	StoreFailures uint64 // control SETs that could not be made durable
}

// New makes a Host with the list that the store has.
func New(cfg Config) (*Host, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	state, err := cfg.Store.LoadList()
	if err != nil {
		return nil, fmt.Errorf("manager: load the support list: %w", err)
	}
	h := &Host{
		cfg:       cfg,
		log:       cfg.Logger,
		results:   newResults(cfg.Backlog),
		kicked:    make(chan struct{}, 1),
		trigger:   make(chan struct{}, 1),
		changed:   make(chan struct{}, 1),
		concluded: make(chan struct{}, 1),
		runQueue:  mib.MetricNumber(mib.ProfileSimone, "runqueue"),
		values:    newValues(),
		nodes:     make(map[mib.NodeID]*rowState),
		plans:     make(map[string]*profile.Plan),
		former:    make(map[string]*profile.Plan),
		questions: make(map[asks]*question),
		tuning:    cfg.Tuning,
		pace:      pace{cfg.Trigger, cfg.Interval},
	}
	h.sendAll = h.depart
	if h.meter, err = cfg.Tuning.meter(nil); err != nil {
		return nil, fmt.Errorf("manager: %w", err)
	}
	now := cfg.Clock.Now()
	if h.isTop() {
		state.Active = true // nobody is above to promote it
	}
	kept, err := h.loadLog()
	if err != nil {
		return nil, err
	}
	h.list = reconfig.NewList(state, reconfig.ListLimits{
		Capacity:    cfg.Capacity,
		LogRecords:  cfg.LogRecords,
		Incarnation: cfg.Incarnation,
		Holds:       h.holds,
		Kept:        kept,
		Polled:      cfg.Polled,
	}, now)
	if h.logs != nil { // nothing is shown that is not reserved
		if err := h.writeLog(func() reconfig.LogBatch { return h.list.Log().Batch(false) }); err != nil {
			return nil, fmt.Errorf("manager: keep the report log: %w", err)
		}
	}
	if err := h.tune(h.tuning); err != nil {
		return nil, fmt.Errorf("manager: %w", err)
	}
	for id, ok := h.list.NextRow(0); ok; id, ok = h.list.NextRow(id) {
		h.nodes[id] = newRowState(id, now)
	}
	h.window.reset(now)
	return h, nil
}

func (h *Host) isTop() bool { return h.cfg.Node.Identity().Role == mib.RoleTLM }

// holds says whether this node holds what a row needs (reconfig.ListLimits).
// h.mu is held, by plan.
func (h *Host) holds(r mib.SupportRow) error {
	if _, err := netip.ParseAddrPort(r.Address); err != nil {
		return &reconfig.Refusal{Why: reconfig.Malformed, Text: fmt.Sprintf("address %q is not host:port or [host]:port in numbers, for example 192.0.2.7:161", r.Address)}
	}
	if _, err := h.cfg.Profiles().Find(r.Profile); err != nil && !errors.Is(err, profile.ErrAuto) {
		return fmt.Errorf("profile %q is not held here: %w", r.Profile, err)
	}
	if !h.cfg.HoldsCredential(r.Credential) {
		return fmt.Errorf("credential %q is not held here", r.Credential)
	}
	if h.self.onPath(r.Node) {
		return fmt.Errorf("it is on this manager's own path %s, which would close a loop", h.self.Path)
	}
	return nil
}

// onPath reports whether a node is this one or a manager above it. The TLM
// may poll itself, as nobody else does.
func (i Identity) onPath(node mib.NodeID) bool {
	if i.Role == mib.RoleTLM {
		return false
	}
	return node == i.ID || slices.Contains(strings.Split(i.Path, "/"), node.String())
}

// Run polls, measures and answers until ctx is done, and joins its
// goroutines. It returns nil then. Call it once.
func (h *Host) Run(ctx context.Context) error {
	h.mu.Lock()
	if h.running {
		h.mu.Unlock()
		return errors.New("manager: the host is running already")
	}
	h.running = true
	h.window.reset(h.cfg.Clock.Now())
	h.mu.Unlock()
	h.assumeRole()

	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var worker, keeper sync.WaitGroup
	worker.Go(func() { h.workResults(working) })
	if h.logs != nil {
		keeper.Go(func() { h.keepLog(ctx) })
	}
	h.schedule(ctx)
	keeper.Wait()
	if h.logs != nil {
		h.endLog()
	}
	stop()
	worker.Wait()
	h.telling.Wait()

	h.mu.Lock()
	h.running = false
	h.mu.Unlock()
	return nil
}

// assumeRole shows in the node group what the list says.
func (h *Host) assumeRole() {
	if h.isTop() {
		return
	}
	role := mib.RoleLeaf
	h.mu.Lock()
	if h.list.Active() {
		role = mib.RoleILM
	}
	h.mu.Unlock()
	h.cfg.Node.SetRole(role)
}

// kick makes the schedule look again.
func (h *Host) kick() {
	select {
	case h.kicked <- struct{}{}:
	default:
	}
}

// Len is how many rows the support list has.
func (h *Host) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.list.Len()
}

// CloseWindow ends the trigger window now instead of at its time; it returns
// at once.
func (h *Host) CloseWindow() {
	select {
	case h.trigger <- struct{}{}:
	default:
	}
}

// Counts gives the counts.
func (h *Host) Counts() Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.counts
	c.Skipped, c.StaleFences, c.RefusedRows = h.list.SkippedPolls, h.list.StaleFences, h.list.RefusedRows
	return c
}

// Observe takes the values of a node that another manager polls, so that the
// metric and aggregate tables cover the whole subtree. age is how old they
// are.
func (h *Host) Observe(node mib.NodeID, age time.Duration, s mib.Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refresh()
	h.values.put(node, h.cfg.Clock.Now().Add(-age), s.Values)
}

// Forget drops the values that Observe took of a node that is gone.
func (h *Host) Forget(node mib.NodeID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, own := h.nodes[node]; !own {
		h.values.remove(node)
	}
}

// Silence takes a node that another manager polls, and that does not answer
// it, out of the aggregates until it is observed again.
func (h *Host) Silence(node mib.NodeID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, own := h.nodes[node]; !own {
		h.values.silence(node)
	}
}

// Observed lists the nodes of which there are values, by NodeID.
func (h *Host) Observed() []mib.NodeID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.values.ids)
}

// heard notes that the parent asked something.
func (h *Host) heard() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hear(h.cfg.Clock.Now())
}

// sameRequest is within what time all variables of one request are read.
const sameRequest = 10 * time.Millisecond

// hear notes that the parent asks something now. h.mu is held.
func (h *Host) hear(now reconfig.Instant) {
	if now.Sub(h.asked) >= sameRequest {
		h.askedLast = h.asked
	}
	h.asked = now
}

// lease is when the parent last asked something; in its own request, when it
// had asked before that. h.mu is held.
func (h *Host) lease(now reconfig.Instant) reconfig.Instant {
	if now.Sub(h.asked) < sameRequest {
		return h.askedLast
	}
	return h.asked
}

// Asked is how long ago the parent last read or wrote this node's fence; false
// if it never did.
func (h *Host) Asked() (time.Duration, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked == 0 {
		return 0, false
	}
	return h.cfg.Clock.Now().Sub(h.asked), true
}
