package reconfig

import "simone/mib"

// relayMark says what the parent has got of a child when it has acknowledged
// the List's log to seq, unless some of it fell off before.
type relayMark struct {
	first, seq uint32 // the records; none: first is above seq
	child      mib.NodeID
	cursor     Cursor
	announces  bool // it is an announcement,
	vouch      bool // and of an ILM right below
}

// copy takes what a manager below has logged into the List's log, as far as
// there is room: copies would only push others off, and what this manager has
// polled itself, while the log below still has what they are copies of.
func (m *Middle) copy(now Instant, a Relay) {
	if m.holes[a.Child] {
		return // it is read again from before this
	}
	log := &m.list.log
	mark := relayMark{first: log.head + 1, child: a.Child, cursor: a.Cursor}
	records := a.Records
	if room := max(max(log.limit*3/4, 1)-len(log.records), 0); room < len(records) {
		m.holes[a.Child] = true
		if room == 0 {
			return
		}
		records = records[:room]
		mark.cursor.Seq = records[room-1].Seq
	}
	for _, r := range records {
		m.list.Relay(now, r)
	}
	mark.seq = log.head
	m.marks = append(m.marks, mark)
}

// passed tells the engine what the parent has acknowledged. What fell off the
// log before was not: announcements are made again, and children whose copies
// fell off, or had no room, are read again from there, once there is room.
func (m *Middle) passed(at At) []Event {
	var out []Event
	log := &m.list.log
	kept := m.marks[:0]
	broken, unheard := make(map[mib.NodeID]bool), false
	for _, k := range m.marks {
		fell := k.first <= k.seq && k.first <= log.fell
		switch {
		case fell && k.announces:
			unheard = true
		case fell:
			broken[k.child], m.holes[k.child] = true, true
		case broken[k.child] && !k.announces: // the cursor must not pass what fell off
		case k.seq > log.tail:
			kept = append(kept, k)
		case k.vouch:
			out = append(out, Vouched{At: at, Child: k.child})
		case !k.announces:
			out = append(out, Relayed{At: at, Child: k.child, Cursor: k.cursor})
		}
	}
	m.marks = kept
	if unheard {
		out = append(out, Claimed{At: at})
	}
	if len(log.records) > log.limit/2 { // else little would fit each time that all is read
		return out
	}
	for _, id := range sortedKeys(m.holes) {
		ev := Unrelayed{At: at, Child: id}
		for _, k := range m.marks {
			if k.child == id && !k.announces {
				ev.Cursor = k.cursor
			}
		}
		out = append(out, ev)
	}
	clear(m.holes)
	return out
}
