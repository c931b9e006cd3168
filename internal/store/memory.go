package store

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"simone/mib"
	"simone/reconfig"
)

// Memory is a store that ends with the process, for tests and simulation, and
// as the picture of a store that lies elsewhere. It
// shares no memory with its callers: records are kept as a DB writes them.
type Memory struct {
	limits Limits

	mu       sync.Mutex // guards the fields below
	failures []error    // of the next writes
	meta     []byte     // nil: none yet
	list     listHead
	records  map[string]map[mib.NodeID][]byte // by bucket
	samples  map[mib.NodeID][]reconfig.Stored // by slot
	entries  []Entry
	last     uint64 // number of the newest entry
	settings map[string]string
	logHead  logHead
	log      map[uint32][]byte // by sequence number
	logKeys  []uint32          // sorted
}

// NewMemory makes an empty store with default limits.
func NewMemory() *Memory { return NewMemoryWith(Limits{}) }

// NewMemoryWith makes an empty store.
func NewMemoryWith(limits Limits) *Memory {
	m := &Memory{
		limits:   limits.WithDefaults(),
		records:  make(map[string]map[mib.NodeID][]byte),
		samples:  make(map[mib.NodeID][]reconfig.Stored),
		settings: make(map[string]string),
		log:      make(map[uint32][]byte),
	}
	for _, b := range [][]byte{bucketNodes, bucketLedgers, bucketCursors, bucketRows, bucketTombs} {
		m.records[string(b)] = make(map[mib.NodeID][]byte)
	}
	return m
}

// FailNext makes the next write fail with err and change nothing. Called
// again before that write, it is the write after it that fails as well.
func (m *Memory) FailNext(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failures = append(m.failures, err)
}

// write runs one transaction, or fails as FailNext asked for.
func (m *Memory) write(f func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.failures) > 0 {
		err := m.failures[0]
		m.failures = m.failures[1:]
		return err
	}
	f()
	return nil
}

// Load gives the engine's state.
func (m *Memory) Load() (reconfig.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := newState()
	if m.meta != nil {
		if err := unsealJSON(keyEngine, m.meta, &s.Meta); err != nil {
			return s, err
		}
	}
	for id, v := range m.records[string(bucketNodes)] {
		var n reconfig.Node
		if err := unsealJSON(nodeKey(id), v, &n); err != nil {
			return s, err
		}
		s.Nodes[id] = n
	}
	var err error
	for id, v := range m.records[string(bucketLedgers)] {
		if s.Ledgers[id], err = unsealLedger(nodeKey(id), v); err != nil {
			return s, err
		}
	}
	for id, v := range m.records[string(bucketCursors)] {
		if s.Cursors[id], err = unsealCursor(nodeKey(id), v); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Apply makes a transaction of the engine's.
func (m *Memory) Apply(txn reconfig.Txn) error {
	if txn.Empty() {
		return nil
	}
	// All that can fail comes before the first change.
	var meta []byte
	var err error
	if txn.Meta != nil {
		if meta, err = sealJSON(keyEngine, txn.Meta); err != nil {
			return err
		}
	}
	nodes := make(map[mib.NodeID][]byte, len(txn.Nodes))
	for i := range txn.Nodes {
		id := txn.Nodes[i].ID
		if nodes[id], err = sealJSON(nodeKey(id), &txn.Nodes[i]); err != nil {
			return err
		}
	}
	return m.write(func() {
		if meta != nil {
			m.meta = meta
		}
		maps.Copy(m.records[string(bucketNodes)], nodes)
		for i := range txn.Ledgers {
			l := &txn.Ledgers[i]
			m.records[string(bucketLedgers)][l.Node] = sealLedger(nodeKey(l.Node), &l.Ledger)
		}
		for _, c := range txn.Cursors {
			m.records[string(bucketCursors)][c.Child] = sealCursor(nodeKey(c.Child), c.Cursor)
		}
		for _, s := range txn.Samples {
			m.addSample(s)
		}
		for _, id := range txn.Forget {
			delete(m.records[string(bucketNodes)], id)
			delete(m.records[string(bucketLedgers)], id)
			delete(m.samples, id)
		}
	})
}

func (m *Memory) addSample(s reconfig.Stored) {
	ring := m.samples[s.Node]
	i, found := slices.BinarySearchFunc(ring, s.Slot, func(o reconfig.Stored, slot uint32) int {
		return cmp.Compare(o.Slot, slot)
	})
	if found || i == 0 && len(ring) >= m.limits.Samples {
		return
	}
	s.Payload = slices.Clone(s.Payload)
	m.samples[s.Node] = newest(slices.Insert(ring, i, s), m.limits.Samples)
}

// LoadList gives the support list's state.
func (m *Memory) LoadList() (reconfig.ListState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := newListState(m.list)
	for id, v := range m.records[string(bucketRows)] {
		var r reconfig.ListRow
		if err := unsealJSON(nodeKey(id), v, &r); err != nil {
			return s, err
		}
		s.Rows[id] = r
	}
	var err error
	for id, v := range m.records[string(bucketTombs)] {
		if s.Tombs[id], err = unsealEpoch(nodeKey(id), v); err != nil {
			return s, err
		}
	}
	return s, nil
}

// ApplyList makes a change of the support list, fence and effect together.
func (m *Memory) ApplyList(change *reconfig.ListChange) error {
	if change == nil {
		return nil
	}
	rows := make(map[mib.NodeID][]byte, len(change.Rows))
	for i := range change.Rows {
		id := change.Rows[i].Row.Node
		var err error
		if rows[id], err = sealJSON(nodeKey(id), &change.Rows[i]); err != nil {
			return err
		}
	}
	return m.write(func() {
		m.list = listHeadOf(change)
		maps.Copy(m.records[string(bucketRows)], rows)
		for _, id := range change.Removed {
			delete(m.records[string(bucketRows)], id)
		}
		for _, t := range change.Tombs {
			if t.Epoch.IsZero() {
				delete(m.records[string(bucketTombs)], t.Node)
			} else {
				m.records[string(bucketTombs)][t.Node] = sealEpoch(nodeKey(t.Node), t.Epoch)
			}
		}
	})
}

func bySeq(e Entry, seq uint64) int { return cmp.Compare(e.Seq, seq) }

// AddEntries appends to the event table.
func (m *Memory) AddEntries(entries []reconfig.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	return m.write(func() {
		for _, e := range entries {
			m.last++
			m.entries = append(m.entries, Entry{m.last, e})
		}
		m.entries = newest(m.entries, m.limits.Entries)
	})
}

// Entries gives up to limit entries with numbers above after.
func (m *Memory) Entries(after uint64, limit int) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, found := slices.BinarySearchFunc(m.entries, after, bySeq)
	if found {
		i++
	}
	rest := m.entries[i:]
	if limit > 0 && limit < len(rest) {
		rest = rest[:limit]
	}
	return slices.Clone(rest), nil
}

// Samples gives the samples of a node, the highest slot first.
func (m *Memory) Samples(node mib.NodeID, limit int) ([]reconfig.Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ring := newest(m.samples[node], limit)
	out := make([]reconfig.Stored, 0, len(ring))
	for _, s := range slices.Backward(ring) {
		s.Payload = slices.Clone(s.Payload)
		out = append(out, s)
	}
	return out, nil
}

// Settings gives the settings that were changed, by name.
func (m *Memory) Settings() (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.settings), nil
}

// SetSetting keeps one setting.
func (m *Memory) SetSetting(name, value string) error {
	return m.SetSettings(map[string]string{name: value})
}

// SetSettings keeps settings, and forgets others, together.
func (m *Memory) SetSettings(put map[string]string, forget ...string) error {
	if err := CheckSettings(put, forget); err != nil {
		return err
	}
	return m.write(func() {
		maps.Copy(m.settings, put)
		for _, name := range forget {
			delete(m.settings, name)
		}
	})
}

// Close does nothing: a Memory can be taken for the disk that outlives a
// simulated process.
func (m *Memory) Close() error { return nil }
