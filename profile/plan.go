package profile

import (
	"cmp"
	"math"
	"slices"
	"time"

	"simone/mib"
)

// Groups is a set of the groups of a Plan: what is read as often as each other
// belongs to one.
type Groups uint64

// maxGroups is how many groups a plan has at most; what is read less often
// than they allow for is read with the last of them.
const maxGroups = 64

// Plan is what the profiles of one row come to: each object once, whoever
// wants it, as often as who wants it most often. One serves all nodes of the
// same profiles. It does not change and is safe for concurrent use.
type Plan struct {
	// What the profiles say of how to ask: the fewest repetitions, the most
	// retries and the longest time-out of them; 0 leaves it to the manager.
	MaxRepetitions int
	Retries        int
	Timeout        time.Duration

	profiles  []*Profile
	intervals []time.Duration // of the groups, the shortest first
	roots     []root          // in order of OID
	rates     bool
}

// root is an instance to GET or a subtree to walk, with what is made of it.
type root struct {
	oid    mib.OID
	column int // how many parts of oid are the column's; all of a scalar's
	walk   bool
	group  int
	parent int  // the root around this one; -1: none
	shared bool // it lies in a root that is walked as often
	wants  []want
}

// want is one metric to be made of an object.
type want struct {
	use           use
	metric        uint32
	kind          Kind
	scale, offset float64
	clock         int // of a counter: which discontinuity; -1: none
	name          string
}

// use is what a value serves for.
type use uint8

const (
	forMetric use = iota
	forUpTime
	forClock // a discontinuity; metric is its number
)

// NewPlan makes the plan of some profiles.
func NewPlan(profiles []*Profile) *Plan {
	p := &Plan{profiles: profiles}
	b := &builder{plan: p, clocks: make(map[string]int)}
	for _, one := range profiles {
		if r := one.MaxRepetitions; r > 0 && (p.MaxRepetitions == 0 || r < p.MaxRepetitions) {
			p.MaxRepetitions = r
		}
		p.Retries, p.Timeout = max(p.Retries, one.Retries), max(p.Timeout, one.Timeout)
		for i := range one.Objects {
			p.intervals = append(p.intervals, one.Objects[i].Interval)
		}
	}
	p.intervals = append(p.intervals, 0)
	slices.Sort(p.intervals)
	p.intervals = slices.Compact(p.intervals)
	p.intervals = p.intervals[:min(len(p.intervals), maxGroups)]
	for _, one := range profiles {
		for i := range one.Objects {
			b.object(one, &one.Objects[i])
		}
	}
	// It tells restarts from what has wrapped, is asked in polls in which nothing
	// else is due, and says before tables are read, which takes long of who is
	// silent, whether the node answers at all.
	if p.rates || !slices.ContainsFunc(p.roots, func(r root) bool { return !r.walk && r.group == 0 }) {
		b.add(sysUpTime, len(sysUpTime), false, 0, want{use: forUpTime})
	}
	p.nest()
	return p
}

// builder collects the roots of a plan.
type builder struct {
	plan   *Plan
	clocks map[string]int // by OID
}

func (b *builder) object(of *Profile, o *Object) {
	w := want{metric: of.number(o), kind: o.Kind, scale: o.scale(), offset: o.Offset, clock: -1, name: o.Name}
	group := b.group(o.Interval)
	if o.Kind != Value {
		b.plan.rates = true
		if len(o.Discontinuity) > 0 {
			w.clock = b.clock(o, group)
		}
	}
	b.spread(o.OID, o, group, w)
}

// group is the one of an interval.
func (b *builder) group(interval time.Duration) int {
	i, found := slices.BinarySearch(b.plan.intervals, interval)
	if !found {
		i = len(b.plan.intervals) - 1
	}
	return i
}

// clock has the discontinuity of an object read, and gives its number.
func (b *builder) clock(o *Object, group int) int {
	key := o.Discontinuity.String()
	n, have := b.clocks[key]
	if !have {
		n = len(b.clocks)
		b.clocks[key] = n
	}
	w := want{use: forClock, metric: uint32(n)}
	if o.Column {
		b.spread(o.Discontinuity, o, group, w)
	} else {
		b.add(o.Discontinuity, len(o.Discontinuity), false, group, w)
	}
	return n
}

// spread adds the column, or the parts and instances of it that o has.
func (b *builder) spread(column mib.OID, o *Object, group int, w want) {
	switch {
	case !o.Column:
		b.add(column, len(column), false, group, w)
	case len(o.Parts)+len(o.Instances) == 0:
		b.add(column, len(column), true, group, w)
	}
	for _, part := range o.Parts {
		b.add(column.Append(part[len(o.OID):]...), len(column), true, group, w)
	}
	for _, instance := range o.Instances {
		b.add(column.Append(instance[len(o.OID):]...), len(column), false, group, w)
	}
}

// add has an object read: once, if it is there already.
func (b *builder) add(oid mib.OID, column int, walk bool, group int, w want) {
	rs := b.plan.roots
	i, found := slices.BinarySearchFunc(rs, oid, func(r root, o mib.OID) int { return r.oid.Compare(o) })
	for ; found && i < len(rs) && rs[i].oid.Equal(oid); i++ {
		if r := &rs[i]; r.walk == walk && r.column == column {
			r.group = min(r.group, group)
			if !slices.Contains(r.wants, w) {
				r.wants = append(r.wants, w)
			}
			return
		}
	}
	b.plan.roots = slices.Insert(rs, i, root{oid: oid, column: column, walk: walk, group: group, parent: -1, wants: []want{w}})
}

// nest finds which roots lie in others. What is walked with the one around it
// is not asked for again.
func (p *Plan) nest() {
	for i := range p.roots {
		r := &p.roots[i]
		for j := i - 1; j >= 0; j-- {
			if around := &p.roots[j]; around.walk && r.oid.HasPrefix(around.oid) && (r.walk || len(r.oid) > len(around.oid)) {
				r.parent = j
				r.shared = around.group <= r.group
				break
			}
		}
	}
}

// Profiles are those of the plan.
func (p *Plan) Profiles() []*Profile { return p.profiles }

// Longest is the longest interval of an object.
func (p *Plan) Longest() time.Duration {
	if len(p.intervals) == 0 {
		return 0
	}
	return p.intervals[len(p.intervals)-1]
}

// Scalars lists the instances to GET for some groups.
func (p *Plan) Scalars(g Groups) []Scalar {
	var all []Scalar
	for i := range p.roots {
		if r := &p.roots[i]; !r.walk && p.asks(r, g) {
			all = append(all, Scalar{r.oid, r})
		}
	}
	return all
}

// Scalar is an instance to GET.
type Scalar struct {
	OID  mib.OID
	root *root
}

// Columns lists the subtrees to walk side by side for some groups.
func (p *Plan) Columns(g Groups) (oids []mib.OID) {
	for i := range p.roots {
		if r := &p.roots[i]; r.walk && p.asks(r, g) {
			oids = append(oids, r.oid)
		}
	}
	return oids
}

func (p *Plan) asks(r *root, g Groups) bool { return !r.shared && g&(1<<r.group) != 0 }

// Past is what is kept of one node between polls. The zero Past is that of a
// node that was not polled yet.
type Past struct {
	plan     *Plan    // that read belongs to
	read     []uint32 // by group: the slot it was read in, plus one; 0: never
	counters counters
}

// Due says what is to be read in a slot of a row with that interval.
func (p *Plan) Due(past *Past, slot uint32, interval time.Duration) (g Groups) {
	if past.plan != p { // the row has got other profiles; what counters were is still true
		past.plan, past.read = p, make([]uint32, len(p.intervals))
	}
	for i, every := range p.intervals {
		if past.read[i] == 0 || slot+1-past.read[i] >= slots(every, interval) {
			g |= 1 << i
		}
	}
	return g
}

// slots is after how many slots something is read again.
func slots(every, interval time.Duration) uint32 {
	if interval <= 0 || every <= interval {
		return 1
	}
	return uint32(min(math.Round(float64(every)/float64(interval)), math.MaxUint32))
}

// Reading takes the answers of one poll. Begin it with Plan.Read; it can be
// used again.
type Reading struct {
	plan   *Plan
	groups Groups
	values []mib.MetricValue
	counts []count
	clocks []clocked
	up     upTime
	// Collided counts rows whose index cannot be told from another one's.
	Collided int
	found    bool
}

type clocked struct {
	clock, instance uint32
	value           uint32
}

// Read begins a reading of some groups.
func (p *Plan) Read(r *Reading, g Groups) {
	*r = Reading{plan: p, groups: g, values: r.values[:0], counts: r.counts[:0], clocks: r.clocks[:0]}
}

// Scalar takes the answer to a scalar that was asked for: Take, when it is
// known which.
func (r *Reading) Scalar(s Scalar, v mib.Variable, at time.Duration) {
	switch {
	case !v.Name.Equal(s.OID), v.Value.IsException(), v.Value.Type == mib.TypeNull:
	case s.root.parent < 0:
		r.passOn(s.root, v, at)
	default:
		r.Take(v, at)
	}
}

// Take takes a variable that was answered. at is when, on a clock that does
// not jump; only differences count. Exceptions, and what is no number, leave
// nothing.
func (r *Reading) Take(v mib.Variable, at time.Duration) {
	if v.Value.IsException() || v.Value.Type == mib.TypeNull {
		return
	}
	rs := r.plan.roots
	// The last root that does not come after the name lies in every root that
	// the name lies in.
	i, _ := slices.BinarySearchFunc(rs, v.Name, func(x root, o mib.OID) int {
		if x.oid.Compare(o) <= 0 {
			return -1
		}
		return 1
	})
	last := i - 1
	for i = last; i >= 0 && rs[i].oid.Equal(v.Name); i-- {
		if !rs[i].walk {
			r.passOn(&rs[i], v, at)
		}
	}
	for i = last; i >= 0; i = rs[i].parent {
		if rs[i].walk && len(v.Name) > len(rs[i].oid) && v.Name.HasPrefix(rs[i].oid) {
			r.passOn(&rs[i], v, at)
		}
	}
}

func (r *Reading) passOn(x *root, v mib.Variable, at time.Duration) {
	instance := Instance(v.Name[x.column:])
	for j := range x.wants {
		r.take(&x.wants[j], instance, v.Value, at)
	}
}

func (r *Reading) take(w *want, instance uint32, v mib.Value, at time.Duration) {
	r.found = true
	switch {
	case w.use == forUpTime:
		if v.Type == mib.TypeTimeTicks {
			r.up = upTime{ticks: uint32(v.Uint), at: at, known: true}
		}
	case w.use == forClock:
		if v.Type == mib.TypeTimeTicks || v.Type == mib.TypeCounter32 || v.Type == mib.TypeGauge32 {
			r.clocks = append(r.clocks, clocked{w.metric, instance, uint32(v.Uint)})
		}
	case w.kind == Rate || w.kind == Auto && (v.Type == mib.TypeCounter32 || v.Type == mib.TypeCounter64):
		if raw, bits, ok := counter(v); ok {
			r.counts = append(r.counts, count{key: key(w.metric, instance), raw: raw, bits: bits, at: at, want: w})
		}
	default:
		if f, ok := number(v); ok {
			r.values = append(r.values, mib.MetricValue{Metric: w.metric, Instance: instance, Value: f*w.scale + w.offset})
		}
	}
}

// Found reports whether anything was answered that was asked for.
func (r *Reading) Found() bool { return r.found }

// End gives what the reading of that slot comes to, in order of metric and
// instance, and keeps in past what the next one needs. What it gives is valid
// until the reading is used again.
func (r *Reading) End(past *Past, slot uint32, interval time.Duration) []mib.MetricValue {
	slices.SortFunc(r.clocks, func(a, b clocked) int {
		return cmp.Or(cmp.Compare(a.clock, b.clock), cmp.Compare(a.instance, b.instance))
	})
	horizon := keepFor * max(interval, r.plan.Longest())
	r.values = append(r.values, past.counters.advance(r, horizon)...)
	slices.SortStableFunc(r.values, func(a, b mib.MetricValue) int {
		return cmp.Or(cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Instance, b.Instance))
	})
	all := len(r.values)
	r.values = slices.CompactFunc(r.values, func(a, b mib.MetricValue) bool { return a.Metric == b.Metric && a.Instance == b.Instance })
	r.Collided += all - len(r.values)
	if past.plan != r.plan {
		past.plan, past.read = r.plan, make([]uint32, len(r.plan.intervals))
	}
	for i := range r.plan.intervals {
		if r.groups&(1<<i) != 0 {
			past.read[i] = slot + 1
		}
	}
	return r.values
}

// clockOf is the discontinuity of a counter.
func (r *Reading) clockOf(c *count) (uint32, bool) {
	if c.want.clock < 0 {
		return 0, false
	}
	for _, instance := range [...]uint32{uint32(c.key), 0} { // one of its own, or of all
		i, found := slices.BinarySearchFunc(r.clocks, clocked{clock: uint32(c.want.clock), instance: instance}, func(a, b clocked) int {
			return cmp.Or(cmp.Compare(a.clock, b.clock), cmp.Compare(a.instance, b.instance))
		})
		if found {
			return r.clocks[i].value, true
		}
	}
	return 0, false
}

// Restarted reports whether the agent has begun anew since the reading that
// past has.
func (r *Reading) Restarted(past *Past) bool { return r.up.restarted(past.counters.up) }

// Instance is the number of a row in simoneMetricTable: its index, or if that
// has several parts a number above 2147483647 that is made of it; 0 of a
// scalar.
func Instance(index mib.OID) uint32 {
	switch len(index) {
	case 0:
		return 0
	case 1:
		return index[0]
	}
	h := uint32(2166136261)
	for _, n := range index {
		for shift := 24; shift >= 0; shift -= 8 {
			h = (h ^ n>>shift&0xff) * 16777619
		}
	}
	return h | 1<<31
}
