package responder

import (
	"simone/internal/snmp"
	"simone/mib"
)

// answer makes the response to the request in r.request.
func (r *Responder) answer(c *access) {
	n := uint64(len(r.request.Vars))
	r.at = 0
	switch r.request.Verb {
	case mib.VerbGet:
		r.counts.inGetRequests.Add(1)
		r.counts.inTotalReqVars.Add(n)
		r.get(c)
	case mib.VerbGetNext:
		r.counts.inGetNexts.Add(1)
		r.counts.inTotalReqVars.Add(n)
		r.getNext(c)
	case mib.VerbGetBulk:
		r.counts.inGetBulks.Add(1)
		r.getBulk(c)
		r.counts.inTotalReqVars.Add(uint64(len(r.response.Vars)))
	case mib.VerbSet:
		r.counts.inSetRequests.Add(1)
		r.set(c)
	}
}

// begin empties the list of variables and gives the room there is for it.
func (r *Responder) begin(most int) (room int) {
	clear(r.vars) // let go of what the last answer pointed to
	r.vars = r.vars[:0]
	return most - r.overhead
}

// get is RFC 3416, section 4.2.1, and for v1 RFC 3584, section 4.2.2.1.
func (r *Responder) get(c *access) {
	room := r.begin(r.most)
	for i, asked := range r.request.Vars {
		r.at = i + 1
		v := mib.Variable{Name: asked.Name, Value: mib.Value{Type: mib.TypeNoSuchObject}}
		if c.view.Contains(asked.Name) {
			v.Value = r.tree.Get(asked.Name)
		}
		if r.request.Version == snmp.V1 && (v.Value.IsException() || v.Value.Type == mib.TypeCounter64) {
			r.refuse(mib.NoSuchName, i+1)
			return
		}
		if !r.add(v, i, &room) {
			return
		}
	}
	r.respond(mib.NoError, 0, r.vars)
}

// add puts a variable into the answer; if it cannot, the refusal is made.
func (r *Responder) add(v mib.Variable, i int, room *int) bool {
	n, err := snmp.VariableSize(v)
	if err != nil {
		r.cfg.Logger.Error("a handler gave what SNMP cannot carry", "error", err)
		r.refuse(mib.GenErr, i+1)
		return false
	}
	if *room -= n; *room < 0 {
		r.refuse(mib.TooBig, 0)
		return false
	}
	r.vars = append(r.vars, v)
	return true
}

// getNext is RFC 3416, section 4.2.2, and for v1 RFC 3584, section 4.2.2.2.
func (r *Responder) getNext(c *access) {
	room := r.begin(r.most)
	for i, asked := range r.request.Vars {
		r.at = i + 1
		v, ok := r.next(c, asked.Name)
		if !ok && r.request.Version == snmp.V1 {
			r.refuse(mib.NoSuchName, i+1)
			return
		}
		if !r.add(v, i, &room) {
			return
		}
	}
	r.respond(mib.NoError, 0, r.vars)
}

// next gives the first variable after name in the view of who asks that the
// version can carry, or name with endOfMibView.
func (r *Responder) next(c *access, name mib.OID) (mib.Variable, bool) {
	from := name
	for {
		v, ok := r.tree.Next(from)
		if !ok {
			break
		}
		if !c.view.Contains(v.Name) {
			if from, ok = c.view.skip(v.Name); !ok {
				break
			}
			continue
		}
		if v.Value.IsException() || v.Value.Type == mib.TypeCounter64 && r.request.Version == snmp.V1 {
			from = v.Name
			continue
		}
		return v, true
	}
	return mib.Variable{Name: name, Value: mib.Value{Type: mib.TypeEndOfMIBView}}, false
}

// getBulk is RFC 3416, section 4.2.3. It stops after a row that has nothing
// but endOfMibView, and where the answer would grow beyond MaxBulk.
func (r *Responder) getBulk(c *access) {
	asked := r.request.Vars
	nonRepeaters := min(max(r.request.NonRepeaters, 0), len(asked))
	fill := min(r.cfg.MaxBulk, r.most)
	room := r.begin(fill)
	limit := r.most - fill // how much more the first may take

	// add reports whether to go on.
	add := func(v mib.Variable, i int) bool {
		n, err := snmp.VariableSize(v)
		if err != nil {
			r.cfg.Logger.Error("a handler gave what SNMP cannot carry", "error", err)
			r.refuse(mib.GenErr, i+1)
			return false
		}
		if room -= n; room < 0 && (len(r.vars) > 0 || room+limit < 0) {
			if len(r.vars) == 0 {
				r.refuse(mib.TooBig, 0)
			} else {
				r.respond(mib.NoError, 0, r.vars)
			}
			return false
		}
		r.vars = append(r.vars, v)
		return true
	}
	for i := range nonRepeaters {
		r.at = i + 1
		v, _ := r.next(c, asked[i].Name)
		if !add(v, i) {
			return
		}
	}
	columns := asked[nonRepeaters:]
	r.cursors, r.ended = r.cursors[:0], r.ended[:0]
	for _, v := range columns {
		r.cursors, r.ended = append(r.cursors, v.Name), append(r.ended, false)
	}
	for row, live := 0, len(columns); live > 0 && row < r.request.MaxRepetitions; row++ {
		for j := range columns {
			r.at = nonRepeaters + j + 1
			v := mib.Variable{Name: r.cursors[j], Value: mib.Value{Type: mib.TypeEndOfMIBView}}
			if !r.ended[j] {
				var ok bool
				if v, ok = r.next(c, r.cursors[j]); !ok {
					r.ended[j] = true
					live--
				}
			}
			if !add(v, nonRepeaters+j) {
				return
			}
			r.cursors[j] = v.Name
		}
	}
	r.respond(mib.NoError, 0, r.vars)
}

// set is RFC 3416, section 4.2.5: every variable or none.
func (r *Responder) set(c *access) {
	if c.write == nil {
		r.counts.inBadCommunityUses.Add(1)
		r.refuse(mib.AuthorizationError, min(1, len(r.request.Vars))) // RFC 3413, section 3.2
		return
	}
	room := r.begin(r.most)
	for i, v := range r.request.Vars {
		if !c.write.Contains(v.Name) {
			r.refuse(mib.NoAccess, i+1)
			return
		}
		// The answer repeats the request; know before the SET that it fits.
		if n, err := snmp.VariableSize(v); err != nil || n > room {
			r.refuse(mib.TooBig, 0)
			return
		} else {
			room -= n
		}
	}
	r.at = min(1, len(r.request.Vars)) // whose handler it is that panics is not known
	// Handlers may keep what they are given.
	if e := r.tree.Set(r.request.Detach(nil)); e != nil {
		r.refuse(e.Status, e.Index+1)
		return
	}
	r.counts.inTotalSetVars.Add(uint64(len(r.request.Vars)))
	r.respond(mib.NoError, 0, r.request.Vars)
}
