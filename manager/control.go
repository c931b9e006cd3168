package manager

import (
	"encoding/binary"
	"errors"
	"fmt"

	"simone/mib"
	"simone/reconfig"
)

// control is the Setter for everything that a control SET may write: the
// simoneIlm group, simoneSupportTable and, below the top, the rules in
// simoneReconfig. It stands at all these places in the tree, so that it gets all variables of one SET together.
type control struct {
	h       *Host
	scalars *mib.Scalars
	table   *mib.Table
}

var _ mib.Setter = (*control)(nil)

// newControl makes the handler.
func newControl(h *Host) (*control, error) {
	// The parts check syntax and access only; what the variables mean
	// together is for control.Test to say.
	pass := func([]mib.Variable) (mib.Txn, *mib.SetError) { return mib.TxnFuncs{}, nil }
	scalars, err := mib.NewScalarGroup(pass, append(h.ilmScalars(), h.ruleScalars()...)...)
	if err != nil {
		return nil, fmt.Errorf("manager: simoneIlm: %w", err)
	}
	table, err := mib.NewTable(mib.SimoneSupportEntry, supportRows{h})
	if err != nil {
		return nil, fmt.Errorf("manager: simoneSupportTable: %w", err)
	}
	return &control{h, scalars, table}, nil
}

// Get implements mib.Handler.
func (c *control) Get(name mib.OID) mib.Value {
	if name.HasPrefix(mib.SimoneSupport) {
		return c.table.Get(name)
	}
	if name.Equal(mib.Instance(mib.SimoneIlmFence)) {
		c.h.heard() // every probe of a parent reads it, and nobody else has a reason to
	}
	return c.scalars.Get(name)
}

// Next implements mib.Handler. The table stands between the scalars.
func (c *control) Next(name mib.OID) (mib.Variable, bool) {
	if name.Compare(mib.SimoneSupport) < 0 {
		if v, ok := c.scalars.Next(name); ok && v.Name.Compare(mib.SimoneSupport) < 0 {
			return v, true
		}
	}
	if v, ok := c.table.Next(name); ok {
		return v, true
	}
	return c.scalars.Next(name)
}

// Test implements mib.Setter.
func (c *control) Test(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	txn, refused := c.test(vars)
	if refused != nil {
		c.h.refused(refused)
		return nil, refused
	}
	return txn, nil
}

func (c *control) test(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	if refused := c.checkSyntax(vars); refused != nil {
		return nil, refused
	}
	w, refused := c.h.read(vars)
	if refused != nil {
		return nil, refused
	}
	txn := &controlTxn{h: c.h, trigger: w.trigger, pace: w.takePace(c.h)}
	if w.fence < 0 { // nothing of the list
		return txn, nil
	}
	txn.locked = true
	c.h.controlMu.Lock()
	planned := false
	defer func() {
		if !planned { // also if something panics, which front ends survive
			txn.Cleanup()
		}
	}()
	set, refused := w.decode(c.h)
	if refused != nil {
		return nil, refused
	}
	change, no := c.h.plan(set)
	if no != nil {
		return nil, w.refusal(set.Verb, no)
	}
	txn.change, planned = change, true
	return txn, nil
}

// checkSyntax has each variable checked by its own definition.
func (c *control) checkSyntax(vars []mib.Variable) *mib.SetError {
	for i := range vars {
		var part mib.Setter = c.scalars
		if vars[i].Name.HasPrefix(mib.SimoneSupport) {
			part = c.table
		}
		txn, refused := part.Test(vars[i : i+1])
		if refused != nil {
			refused.Index = i
			return refused
		}
		txn.Cleanup()
	}
	return nil
}

// wish is what the variables of one SET ask for; numbers are positions among
// them, -1 for those that are missing.
type wish struct {
	vars                                            []mib.Variable
	fence, apply, cursor, admin, triggerEvery, poll int
	levels, below, fanIn                            int
	rules                                           []int // of ruleKnobs and the pause
	cells                                           []int
	trigger                                         bool
}

// read sorts the variables of a SET.
func (h *Host) read(vars []mib.Variable) (*wish, *mib.SetError) {
	w := &wish{vars: vars, fence: -1, apply: -1, cursor: -1, admin: -1, triggerEvery: -1, poll: -1, levels: -1, below: -1, fanIn: -1}
	place := map[string]*int{
		mib.SimoneIlmFence.String():           &w.fence,
		mib.SimoneIlmApply.String():           &w.apply,
		mib.SimoneIlmCursor.String():          &w.cursor,
		mib.SimoneIlmAdminStatus.String():     &w.admin,
		mib.SimoneIlmTriggerInterval.String(): &w.triggerEvery,
		mib.SimoneIlmPollInterval.String():    &w.poll,
		mib.SimoneIlmLevels.String():          &w.levels,
		mib.SimoneIlmBelow.String():           &w.below,
		mib.SimoneIlmFanIn.String():           &w.fanIn,
	}
	others := false
	for i, v := range vars {
		if v.Name.HasPrefix(mib.SimoneSupport) {
			w.cells, others = append(w.cells, i), true
			continue
		}
		object := v.Name[:len(v.Name)-1]
		if object.Equal(mib.SimoneIlmTrigger) {
			w.trigger = mib.IsTrue(v.Value)
			continue
		}
		at := place[object.String()]
		if at == nil { // a rule
			at = new(int)
			*at = -1
			place[object.String()] = at
			w.rules = append(w.rules, i)
		}
		if *at >= 0 {
			return nil, mib.Refuse(mib.WrongValue, i, "%s stands there twice", mib.NameOf(v.Name))
		}
		*at, others = i, others || !h.free(object)
	}
	if others && w.fence != 0 {
		at := 0
		for at < len(vars)-1 && h.free(vars[at].Name[:len(vars[at].Name)-1]) {
			at++
		}
		return nil, mib.Refuse(mib.InconsistentValue, at,
			"%s: a control SET begins with simoneIlmFence.0; write a fence above the one that it reads as", mib.NameOf(vars[at].Name))
	}
	return w, nil
}

// decode makes the control SET that a wish stands for. h.controlMu is held.
func (w *wish) decode(h *Host) (reconfig.ControlSet, *mib.SetError) {
	var set reconfig.ControlSet
	no := func(at int, format string, args ...any) (reconfig.ControlSet, *mib.SetError) {
		return set, mib.Refuse(mib.WrongValue, at, "%s: "+format, append([]any{mib.NameOf(w.vars[at].Name)}, args...)...)
	}
	var err error
	if set.Fence, err = mib.ParseFence(w.vars[w.fence].Value.Bytes); err != nil {
		return no(w.fence, "%v", err)
	}
	role := max(w.admin, w.triggerEvery, w.poll, w.levels, w.below, w.fanIn)
	if role < 0 && len(w.rules) > 0 {
		role = w.rules[0]
	}
	kinds := 0
	for _, at := range []int{w.apply, w.cursor, role} {
		if at >= 0 {
			kinds++
		}
	}
	if len(w.cells) > 0 {
		kinds++
	}
	if kinds > 1 {
		return no(w.other(), "rows, cursor and role cannot be written in one SET: send one SET for each")
	}
	switch {
	case w.apply >= 0:
		set.Verb = reconfig.Stage
		if set.Apply, err = mib.ParseApply(w.vars[w.apply].Value.Bytes); err != nil {
			return no(w.apply, "%v", err)
		}
		if len(set.Apply.Stage) == 0 && len(set.Apply.Destroy) > 0 {
			set.Verb = reconfig.Release
		}
	case w.cursor >= 0:
		set.Verb = reconfig.Acknowledge
		if set.Cursor, err = parseCursor(w.vars[w.cursor].Value.Bytes); err != nil {
			return no(w.cursor, "%v", err)
		}
	case role >= 0:
		return w.decodeRole(h, set)
	case len(w.cells) > 0:
		set.Verb = reconfig.Stage
		var refused *mib.SetError
		if set.Apply, refused = w.decodeCells(h); refused != nil {
			return set, refused
		}
		if len(set.Apply.Stage) == 0 {
			set.Verb = reconfig.Release
		}
	default:
		set.Verb = reconfig.Claim
	}
	return set, nil
}

// decodeRole reads a SET of the status or of the intervals.
func (w *wish) decodeRole(h *Host, set reconfig.ControlSet) (reconfig.ControlSet, *mib.SetError) {
	h.mu.Lock()
	active := h.list.Active()
	set.Settings = h.list.Settings()
	h.mu.Unlock()
	if w.triggerEvery >= 0 {
		set.Settings.TriggerMillis = uint32(w.vars[w.triggerEvery].Value.Uint)
	}
	if w.poll >= 0 {
		set.Settings.PollMillis = uint32(w.vars[w.poll].Value.Uint)
	}
	if w.levels >= 0 {
		set.Settings.Levels, set.Settings.FanIn = uint32(w.vars[w.levels].Value.Uint), 0
	}
	if w.below >= 0 {
		set.Settings.Below = uint32(w.vars[w.below].Value.Uint)
	}
	if w.fanIn >= 0 {
		set.Settings.FanIn = uint32(w.vars[w.fanIn].Value.Uint)
	}
	if refused := w.decodeRules(&set.Settings); refused != nil {
		return set, refused
	}
	up := active
	if w.admin >= 0 {
		up = mib.IlmAdmin(w.vars[w.admin].Value.Int) == mib.IlmAdminUp
	} else if !active {
		at := w.other()
		return set, mib.Refuse(mib.InconsistentValue, at, "%s: this node is no ILM; write simoneIlmAdminStatus up in the same SET", mib.NameOf(w.vars[at].Name))
	}
	set.Verb = reconfig.Promote
	if !up {
		set.Verb, set.Settings = reconfig.Demote, reconfig.IlmSettings{}
	}
	return set, nil
}

// other is the position of the first variable beside the fence and the
// trigger; the fence's own if there is none.
func (w *wish) other() int {
	for i, v := range w.vars {
		if i != w.fence && !v.Name.HasPrefix(mib.SimoneIlmTrigger) {
			return i
		}
	}
	return max(w.fence, 0)
}

// refusal says a list's refusal in SNMP's words (controlFailure reads them).
func (w *wish) refusal(verb reconfig.ControlVerb, r *reconfig.Refusal) *mib.SetError {
	at, status := w.other(), mib.WrongValue
	switch {
	case r.Why == reconfig.FenceStale:
		at, status = w.fence, mib.InconsistentValue
	case r.Why == reconfig.EpochStale:
		status = mib.InconsistentValue
	case r.Why == reconfig.NotHeld:
		status = mib.ResourceUnavailable
	case r.Why == reconfig.NotILM:
		status = mib.InconsistentName
	case verb == reconfig.Demote: // there are rows: at another time it would do
		status = mib.InconsistentValue
	}
	return mib.Refuse(status, at, "%s: %s", mib.NameOf(w.vars[at].Name), r.Text)
}

// plan checks a control SET against the list and the node. h.controlMu is
// held, and stays held until the change is committed or dropped.
func (h *Host) plan(set reconfig.ControlSet) (*reconfig.ListChange, *reconfig.Refusal) {
	self := h.cfg.Node.Identity() // it may have to wait for a disk: not under the lock
	top := self.Role == mib.RoleTLM
	h.mu.Lock()
	defer h.mu.Unlock()
	h.self = self
	now := h.cfg.Clock.Now()
	h.hear(now)
	change, refusal := h.list.Plan(now, set)
	if refusal == nil && change != nil && change.Active && !h.list.Active() && !self.Candidate && !top {
		refusal = &reconfig.Refusal{Why: reconfig.NotHeld, Text: "this node is no candidate (simoneNodeCandidate): set candidate in its configuration"}
	}
	if top && set.Verb == reconfig.Demote && (refusal == nil || refusal.Why == reconfig.Malformed) {
		refusal = &reconfig.Refusal{Why: reconfig.Malformed, Text: "the TLM cannot stop being a manager; stop simone-tlm to stop it"}
	}
	if refusal != nil {
		return nil, refusal
	}
	return change, nil
}

// commit makes a planned change durable and then true; nil repeats what was
// done before. h.controlMu is held.
func (h *Host) commit(change *reconfig.ListChange) error {
	if change == nil {
		return nil
	}
	if err := h.cfg.Store.ApplyList(change); err != nil {
		h.mu.Lock()
		h.counts.StoreFailures++
		h.mu.Unlock()
		return fmt.Errorf("store the support list: %w", err)
	}
	h.mu.Lock()
	now := h.cfg.Clock.Now()
	was, idle, history := h.list.Active(), h.list.Len() == 0, h.list.Settings().Rules.History
	h.list.Apply(now, change)
	if h.list.Settings().Rules.History != history {
		if err := h.tune(h.tuning); err != nil { // it has passed the test
			h.log.Error("the weights of temperatures that the manager above tells cannot be used", "err", err)
		}
	}
	for _, r := range change.Rows {
		if _, have := h.nodes[r.Row.Node]; !have {
			h.nodes[r.Row.Node] = newRowState(r.Row.Node, now)
		}
	}
	for _, id := range change.Removed {
		delete(h.nodes, id)
		if h.cfg.Below == nil { // else another may poll it now: the inventory forgets
			h.values.remove(id)
		}
	}
	turned := h.list.Active() != was
	if turned || idle && h.list.Len() > 0 {
		h.resetWindows(now)
	}
	h.mu.Unlock()
	if turned {
		h.assumeRole()
	}
	h.kick()
	h.change()
	return nil
}

// refused notes why a control SET was refused, for simoneIlmError.
func (h *Host) refused(e *mib.SetError) {
	const limit = 1024 // of a SimoneText
	h.mu.Lock()
	h.lastError = e.Reason[:min(len(e.Reason), limit)]
	h.mu.Unlock()
	h.log.Info("control SET refused", "status", e.Status, "variable", e.Index+1, "reason", e.Reason)
}

// controlTxn is a control SET that passed its test.
type controlTxn struct {
	h         *Host
	change    *reconfig.ListChange // nil repeats what was done before
	trigger   bool
	pace      *pace // to be kept; nil: none
	locked    bool  // it holds controlMu
	committed bool
	before    *pace // the pace that was kept before
}

// Commit implements mib.Txn.
func (x *controlTxn) Commit() *mib.SetError {
	if err := x.h.commit(x.change); err != nil {
		e := mib.Refuse(mib.CommitFailed, 0, "%v", err)
		x.h.refused(e)
		return e
	}
	x.committed = true
	if x.pace != nil {
		before, err := x.h.keepPace(*x.pace)
		x.before = &before // also if it fails: it may yet happen
		if err != nil {
			e := mib.Refuse(mib.CommitFailed, 0, "%v", err)
			x.h.refused(e)
			return e
		}
	}
	if x.trigger {
		x.h.CloseWindow()
		if b := x.h.engine(); b != nil {
			b.Trigger()
		}
	}
	return nil
}

// Undo implements mib.Txn. A round that was triggered is not taken back.
func (x *controlTxn) Undo() *mib.SetError {
	defer x.Cleanup()
	var failed error
	if x.before != nil {
		_, failed = x.h.keepPace(*x.before)
		x.before = nil
	}
	if x.committed && x.change != nil {
		failed = errors.Join(failed, x.h.commit(x.change.Undo()))
	}
	x.committed = false
	if failed != nil {
		return mib.Refuse(mib.UndoFailed, -1, "%v", failed)
	}
	return nil
}

// Cleanup implements mib.Txn.
func (x *controlTxn) Cleanup() {
	if x.locked {
		x.locked = false
		x.h.controlMu.Unlock()
	}
}

// parseCursor unpacks a simoneIlmCursor.
func parseCursor(b []byte) (reconfig.Cursor, error) {
	if len(b) != 12 {
		return reconfig.Cursor{}, errors.New("a cursor has 12 octets: the log's incarnation and a sequence number")
	}
	return reconfig.Cursor{Incarnation: binary.BigEndian.Uint64(b), Seq: binary.BigEndian.Uint32(b[8:])}, nil
}
