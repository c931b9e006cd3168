package snmp

import (
	"errors"
	"fmt"
	"slices"

	"simone/mib"
)

// walk is what is known between two answers of a walk.
type walk struct {
	base    mib.Request
	v1      bool
	verb    mib.Verb
	columns []column
	manners manners
	read    int // variables so far
	rows    int // that the longest column had last time; negative: who knows

	lead     []mib.OID // instances that are read along, and were not yet
	leads    int       // how many of these the last request asked for
	live     []int     // the columns that go on
	asked    []int     // those of the last request
	vars     []mib.Variable
	problems []error // of columns that were cut off
}

// column is a subtree of a walk.
type column struct {
	root mib.OID
	last mib.OID // the name read last; the root at first
	name mib.OID // room for last, where that cannot stay where it was read
	rows int     // so far
	over bool
}

func newWalk(base mib.Request, roots []mib.OID, version Version) *walk {
	w := new(walk)
	w.begin(base, nil, roots, version)
	return w
}

// begin makes w a walk that begins; what it was before leaves its memory.
func (w *walk) begin(base mib.Request, lead, roots []mib.OID, version Version) {
	*w = walk{
		base: base, verb: mib.VerbGetBulk, v1: version == V1, rows: -1, columns: w.columns[:0],
		lead: append(w.lead[:0], lead...), live: w.live[:0], vars: w.vars[:0],
	}
	if w.v1 {
		w.verb = mib.VerbGetNext
	}
	for i, root := range roots {
		var room mib.OID
		if i < cap(w.columns) {
			room = w.columns[:i+1][i].name
		}
		w.columns = append(w.columns, column{root: root, last: root, name: room})
		w.live = append(w.live, i)
	}
}

func (w *walk) more() bool { return len(w.live)+len(w.lead) > 0 }

// where is the first root that is being read.
func (w *walk) where() mib.OID {
	switch {
	case len(w.live) > 0:
		return w.columns[w.live[0]].root
	case len(w.lead) > 0:
		return w.lead[0]
	}
	return nil
}

// longest is how many rows the longest column has so far.
func (w *walk) longest() (n int) {
	for i := range w.columns {
		n = max(n, w.columns[i].rows)
	}
	return n
}

// request makes the next one: what is read along and the columns that go on, as
// many as an answer may have variables, and rows of them.
func (w *walk) request() mib.Request {
	if w.manners.batch == 0 {
		w.manners.batch = firstBatch
	}
	w.leads, w.asked = len(w.lead), w.live
	if most := w.manners.most; most > 0 {
		w.leads = min(w.leads, most)
		w.asked = w.asked[:min(len(w.asked), most-w.leads)]
	}
	req := w.base
	req.Verb, req.NonRepeaters, req.MaxRepetitions = w.verb, 0, 0
	if w.verb == mib.VerbGetBulk {
		req.NonRepeaters, req.MaxRepetitions = w.leads, w.repetitions()
	}
	w.vars = w.vars[:0]
	for _, o := range w.lead[:w.leads] {
		w.vars = append(w.vars, mib.Variable{Name: o[:len(o)-1]}) // an instance 0 comes next
	}
	for _, i := range w.asked {
		w.vars = append(w.vars, mib.Variable{Name: w.columns[i].last})
	}
	req.Vars = w.vars
	return req
}

// repetitions is for how many rows to ask: as many as an answer may have, and if
// it is known how many there were last time one more than is left of these, in
// which the columns end.
func (w *walk) repetitions() int {
	if len(w.asked) == 0 {
		return 0
	}
	n := max(1, (w.manners.batch-w.leads)/len(w.asked))
	if w.base.MaxRepetitions > 0 {
		n = min(n, w.base.MaxRepetitions)
	}
	if left := w.rows + 1 - w.longest(); w.rows >= 0 && left > 0 {
		n = min(n, left)
	}
	return n
}

// wanted is how many variables the whole answer to the last request has.
func (w *walk) wanted(req *mib.Request) int {
	return w.leads + len(w.asked)*max(1, req.MaxRepetitions)
}

// take deals with what became of a request. An error ends the walk.
func (w *walk) take(req mib.Request, resp mib.Response, fn func(int, mib.Variable) error) error {
	wanted := w.wanted(&req)
	if errors.Is(resp.Err, mib.ErrTimeout) && wanted > len(req.Vars) {
		// Maybe this is more than it has time for. Who has not answered before
		// is asked for less next time.
		if w.read > 0 {
			w.manners.batch = max(1, wanted/2)
			return nil
		}
		w.manners.batch = min(w.manners.batch, max(firstBatch, wanted/2))
	}
	if resp.Err != nil {
		return resp.Err
	}
	w.manners.answered(resp.RTT())
	switch {
	case resp.Status == mib.NoError:
		return w.takeVars(req, resp.Vars, wanted, fn)
	case resp.Status == mib.TooBig && wanted > 1:
		w.manners.tooBig(wanted)
		return nil
	case resp.Status == mib.NoSuchName && w.v1, resp.Status == mib.GenErr && w.verb == mib.VerbGetNext && resp.Index > 0 && resp.Index <= w.leads:
		w.refused(resp.Index) // it is how v1 says that nothing follows
		return nil
	case (resp.Status == mib.GenErr || resp.Status == mib.NoSuchName) && w.verb == mib.VerbGetBulk:
		w.verb = mib.VerbGetNext // it may not know GETBULK, or not get over something with it
		return nil
	}
	return Result(req, resp)
}

// refused takes a variable of the last request, from 1, that is not to be had.
func (w *walk) refused(index int) {
	at := max(0, index-1)
	if at < w.leads {
		w.lead = slices.Delete(w.lead, at, at+1)
		return
	}
	w.end(w.asked[at-w.leads])
	w.compact()
}

// along passes on what is read along; what the agent does not have is passed
// over. What the answer has no room for is asked for again.
func (w *walk) along(vars []mib.Variable, fn func(int, mib.Variable) error) error {
	n := min(w.leads, len(vars))
	for i, v := range vars[:n] {
		if v.Value.IsException() || !v.Name.Equal(w.lead[i]) {
			continue
		}
		if err := fn(leading, v); err != nil {
			return err
		}
	}
	w.lead = slices.Delete(w.lead, 0, n)
	return nil
}

// leading stands for the column of what is read along.
const leading = -1

// takeVars passes on what belongs to the columns and learns from how much it
// is.
func (w *walk) takeVars(req mib.Request, vars []mib.Variable, wanted int, fn func(int, mib.Variable) error) error {
	if len(vars) == 0 {
		return fmt.Errorf("%w: no variables", ErrAnswer)
	}
	octets := 0
	for i := range vars {
		size, _ := VariableSize(vars[i]) // it has just been decoded
		octets += size
	}
	if err := w.along(vars, fn); err != nil {
		return err
	}
	rows := vars[min(w.leads, len(vars)):]
	for i, v := range rows {
		if len(w.asked) == 0 {
			break
		}
		at := w.asked[i%len(w.asked)]
		c := &w.columns[at]
		switch {
		case c.over:
		case v.Value.Type == mib.TypeEndOfMIBView:
			w.end(at)
			if err := fn(at, mib.Variable{Name: c.last, Value: v.Value}); err != nil {
				return err
			}
		case !v.Name.HasPrefix(c.root) && v.Name.Compare(c.root) > 0:
			w.end(at)
		case v.Name.Compare(c.last) <= 0:
			w.problems = append(w.problems, fmt.Errorf("walk %v at %v: %w: %v after %v", c.root, w.base.Address, ErrNotIncreasing, v.Name, c.last))
			w.end(at)
		case w.read == maxWalk:
			return fmt.Errorf("%w after %d variables, the last of them %v", ErrEndless, w.read, c.last)
		default:
			if err := fn(at, v); err != nil {
				return err
			}
			c.last = v.Name
			c.rows++
			w.read++
		}
	}
	w.compact()
	if w.verb == mib.VerbGetBulk && len(vars) >= wanted {
		w.grow(octets / len(vars))
	}
	return nil
}

// grow has more asked for at a time: twice as much, as long as the answer fits
// a frame when variables have so many octets, and no answer was tooBig.
func (w *walk) grow(octets int) {
	most := min(frameOctets/max(1, octets), largeBatch)
	if w.manners.most > 0 {
		most = min(most, w.manners.most)
	}
	w.manners.batch = max(1, min(2*w.manners.batch, most))
}

func (w *walk) end(column int) { w.columns[column].over = true }

// compact forgets the columns that are over.
func (w *walk) compact() {
	going := w.live[:0]
	for _, i := range w.live {
		if !w.columns[i].over {
			going = append(going, i)
		}
	}
	w.live = going
}
