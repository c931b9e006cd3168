package device

import (
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// fill is how many octets of a GETBULK's answer are filled: what fits an
// Ethernet frame.
const fill = 1472

// answerer makes answers out of a recording. One goroutine uses it.
type answerer struct {
	most    int // variables of an answer; 0 is any number
	grow    uint64
	began   time.Time
	vars    []mib.Variable
	cursors []mib.OID
	ended   []bool
}

// answer makes the response to q in a; room is how many octets its variables
// may take. It reports whether q is a request at all.
func (w *answerer) answer(q, a *snmp.Message, r *Recording, room int) bool {
	a.Version, a.Community = q.Version, q.Community
	a.PDU = snmp.PDU{Verb: mib.VerbResponse, RequestID: q.RequestID}
	w.vars = w.vars[:0]
	status, index := mib.NoError, 0
	switch q.Verb {
	case mib.VerbGet:
		status, index = w.get(q, r)
	case mib.VerbGetNext:
		status, index = w.getNext(q, r)
	case mib.VerbGetBulk:
		w.getBulk(q, r, min(room, fill))
	case mib.VerbSet:
		status, index = mib.NotWritable, min(1, len(q.Vars))
		if q.Version == snmp.V1 {
			status = mib.NoSuchName
		}
	default:
		return false
	}
	w.move(time.Now())
	if status == mib.NoError && (w.most > 0 && len(w.vars) > w.most || size(w.vars) > room) {
		status, index = mib.TooBig, 0
	}
	a.Status, a.Index, a.Vars = status, index, w.vars
	switch {
	case status == mib.TooBig && q.Version != snmp.V1: // RFC 3416, section 4.2.1
		a.Vars = nil
	case status != mib.NoError:
		a.Vars = q.Vars
	}
	return true
}

var sysUpTime = mib.OID{1, 3, 6, 1, 2, 1, 1, 3, 0}

// move has counters be what they have grown to, and with them sysUpTime.
func (w *answerer) move(now time.Time) {
	if w.grow == 0 {
		return
	}
	passed := now.Sub(w.began)
	grown := uint64(passed.Seconds() * float64(w.grow))
	for i := range w.vars {
		switch v := &w.vars[i].Value; {
		case v.Type == mib.TypeCounter32:
			v.Uint = uint64(uint32(v.Uint + grown))
		case v.Type == mib.TypeCounter64:
			v.Uint += grown
		case v.Type == mib.TypeTimeTicks && w.vars[i].Name.Equal(sysUpTime):
			v.Uint = uint64(uint32(v.Uint + uint64(passed/(10*time.Millisecond))))
		}
	}
}

func size(vars []mib.Variable) (n int) {
	for _, v := range vars {
		octets, _ := snmp.VariableSize(v) // BER can carry what a recording has
		n += octets
	}
	return n
}

// get is RFC 3416, section 4.2.1; RFC 3584, section 4.2.2.1, for v1.
func (w *answerer) get(q *snmp.Message, r *Recording) (mib.ErrorStatus, int) {
	for i, asked := range q.Vars {
		v := mib.Variable{Name: asked.Name, Value: r.Get(asked.Name)}
		if q.Version == snmp.V1 && (v.Value.IsException() || v.Value.Type == mib.TypeCounter64) {
			return mib.NoSuchName, i + 1
		}
		w.vars = append(w.vars, v)
	}
	return mib.NoError, 0
}

// getNext is RFC 3416, section 4.2.2; RFC 3584, section 4.2.2.2, for v1.
func (w *answerer) getNext(q *snmp.Message, r *Recording) (mib.ErrorStatus, int) {
	for i, asked := range q.Vars {
		v, ok := r.Next(asked.Name)
		for ok && q.Version == snmp.V1 && v.Value.Type == mib.TypeCounter64 {
			v, ok = r.Next(v.Name)
		}
		if !ok {
			if q.Version == snmp.V1 {
				return mib.NoSuchName, i + 1
			}
			v = endOfView(asked.Name)
		}
		w.vars = append(w.vars, v)
	}
	return mib.NoError, 0
}

func endOfView(name mib.OID) mib.Variable {
	return mib.Variable{Name: name, Value: mib.Value{Type: mib.TypeEndOfMIBView}}
}

// getBulk is RFC 3416, section 4.2.3. It stops where the answer is full, save
// that one variable is always given, and after a row that has nothing but
// endOfMibView.
func (w *answerer) getBulk(q *snmp.Message, r *Recording, room int) {
	// add reports whether to go on.
	add := func(v mib.Variable) bool {
		n, _ := snmp.VariableSize(v) // BER can carry what a recording has
		if room -= n; room < 0 && len(w.vars) > 0 {
			return false
		}
		w.vars = append(w.vars, v)
		return room > 0
	}
	once := min(max(q.NonRepeaters, 0), len(q.Vars))
	for _, asked := range q.Vars[:once] {
		v, ok := r.Next(asked.Name)
		if !ok {
			v = endOfView(asked.Name)
		}
		if !add(v) {
			return
		}
	}
	w.cursors, w.ended = w.cursors[:0], w.ended[:0]
	for _, asked := range q.Vars[once:] {
		w.cursors, w.ended = append(w.cursors, asked.Name), append(w.ended, false)
	}
	live := len(w.cursors)
	for row := 0; row < q.MaxRepetitions && live > 0; row++ {
		for i, at := range w.cursors {
			v, ok := endOfView(at), false
			if !w.ended[i] {
				if v, ok = r.Next(at); !ok {
					v, w.ended[i] = endOfView(at), true
					live--
				}
			}
			if !add(v) {
				return
			}
			w.cursors[i] = v.Name
		}
	}
}
