package snmp

// timerHeap orders outstanding requests by when they are due. Each knows its
// position (-1 is outside), so that an answer takes it out in O(log n).
type timerHeap []*request

// put adds r, or moves it after its time has changed.
func (h *timerHeap) put(r *request) {
	if r.position < 0 {
		r.position = len(*h)
		*h = append(*h, r)
	}
	h.fix(r.position)
}

func (h *timerHeap) remove(r *request) {
	i := r.position
	if i < 0 {
		return
	}
	last := len(*h) - 1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	r.position = -1
	if i < last {
		h.fix(i)
	}
}

func (h timerHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].position, h[j].position = i, j
}

func (h timerHeap) fix(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h[i].due.Before(h[parent].due) {
			break
		}
		h.swap(i, parent)
		i = parent
	}
	for {
		least := 2*i + 1
		if least >= len(h) {
			return
		}
		if right := least + 1; right < len(h) && h[right].due.Before(h[least].due) {
			least = right
		}
		if !h[least].due.Before(h[i].due) {
			return
		}
		h.swap(i, least)
		i = least
	}
}
