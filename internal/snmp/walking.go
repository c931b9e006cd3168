package snmp

import (
	"errors"
	"fmt"

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

	live     []int // the columns that go on
	asked    []int // those of the last request
	vars     []mib.Variable
	problems []error // of columns that were cut off
}

// column is a subtree of a walk.
type column struct {
	root mib.OID
	last mib.OID // the name read last; the root at first
	name mib.OID // room for last, where that cannot stay where it was read
	over bool
}

func newWalk(base mib.Request, roots []mib.OID, version Version) *walk {
	w := &walk{base: base, verb: mib.VerbGetBulk, v1: version == V1}
	if w.v1 {
		w.verb = mib.VerbGetNext
	}
	for i, root := range roots {
		w.columns = append(w.columns, column{root: root, last: root})
		w.live = append(w.live, i)
	}
	return w
}

func (w *walk) more() bool { return len(w.live) > 0 }

// where is the first root that is being read.
func (w *walk) where() mib.OID { return w.columns[w.live[0]].root }

// request makes the next one: the columns that go on, as many as an answer may
// have variables, and rows of them.
func (w *walk) request() mib.Request {
	if w.manners.batch == 0 {
		w.manners.batch = firstBatch
	}
	w.asked = w.live
	if most := w.manners.most; most > 0 && most < len(w.asked) {
		w.asked = w.asked[:most]
	}
	req := w.base
	req.Verb, req.NonRepeaters, req.MaxRepetitions = w.verb, 0, 0
	if w.verb == mib.VerbGetBulk {
		req.MaxRepetitions = max(1, w.manners.batch/len(w.asked))
		if w.base.MaxRepetitions > 0 {
			req.MaxRepetitions = min(req.MaxRepetitions, w.base.MaxRepetitions)
		}
	}
	w.vars = w.vars[:0]
	for _, i := range w.asked {
		w.vars = append(w.vars, mib.Variable{Name: w.columns[i].last})
	}
	req.Vars = w.vars
	return req
}

// take deals with what became of a request. An error ends the walk.
func (w *walk) take(req mib.Request, resp mib.Response, fn func(int, mib.Variable) error) error {
	wanted := len(req.Vars) * max(1, req.MaxRepetitions)
	switch {
	case errors.Is(resp.Err, mib.ErrTimeout) && w.read > 0 && wanted > len(req.Vars):
		// It has answered before: maybe this is more than it has time for.
		w.manners.batch = max(1, wanted/2)
		return nil
	case resp.Err != nil:
		return resp.Err
	}
	w.manners.answered(resp.RTT())
	switch {
	case resp.Status == mib.NoError:
		return w.takeVars(req, resp.Vars, wanted, fn)
	case resp.Status == mib.TooBig && wanted > 1:
		w.manners.tooBig(wanted)
		return nil
	case resp.Status == mib.NoSuchName && w.v1:
		w.end(w.asked[max(0, resp.Index-1)]) // how v1 says that nothing follows
		w.compact()
		return nil
	case (resp.Status == mib.GenErr || resp.Status == mib.NoSuchName) && w.verb == mib.VerbGetBulk:
		w.verb = mib.VerbGetNext // it may not know GETBULK, or not get over something with it
		return nil
	}
	return Result(req, resp)
}

// takeVars passes on what belongs to the columns and learns from how much it
// is.
func (w *walk) takeVars(req mib.Request, vars []mib.Variable, wanted int, fn func(int, mib.Variable) error) error {
	if len(vars) == 0 {
		return fmt.Errorf("%w: no variables", ErrAnswer)
	}
	octets := 0
	for i, v := range vars {
		size, _ := VariableSize(v) // it has just been decoded
		octets += size
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
