package faults

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"simone/reconfig"
)

// Shape is what all scenarios of a hunt have in common.
type Shape struct {
	Nodes    int  // below the top; 0: 100
	Triggers int  // at least; 0: 200
	Levels   int  // of ILMs; 0: by the seed
	Planned  bool // nothing that loses samples: planned moves are to lose none
	Without  reconfig.Guards
}

// MinFaults is how many things go wrong in a scenario at least.
const MinFaults = 10

// Draw makes the scenario of a number.
func Draw(seed uint64, shape Shape) *Scenario {
	d := drawing{Rand: rand.New(rand.NewPCG(seed, 99)), s: &Scenario{Seed: seed, Without: shape.Without}}
	// Only where nothing else loses samples it shows that a move does.
	d.planned = shape.Planned || seed%5 == 0
	d.tree(cmp.Or(shape.Nodes, 100), shape.Levels)
	d.times(cmp.Or(shape.Triggers, 200))
	d.forming()
	if d.planned {
		d.plannedMoves()
	} else {
		d.episodes()
	}
	slices.SortStableFunc(d.s.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return d.s
}

// drawing is a scenario that is being made.
type drawing struct {
	*rand.Rand
	s       *Scenario
	planned bool
	at      time.Duration
	tops    int // the first so many machines are those that manage most
	down    []int
}

// tree draws how many manage how many.
func (d *drawing) tree(nodes, levels int) {
	s := d.s
	s.Nodes = nodes
	s.Levels = []int{1, 1, 1, 1, 1, 2, 2, 2, 3, 3}[d.IntN(10)]
	if levels > 0 {
		s.Levels = levels
	}
	s.Below = 2
	switch s.Levels {
	case 1:
		s.Candidates = 2 + d.IntN(6)
	case 2:
		s.Candidates = 7 + d.IntN(6)
	default:
		s.Candidates = 14 + d.IntN(6)
	}
	s.Candidates = min(s.Candidates, nodes)
	s.ILMs = min(1+d.IntN(3), s.Candidates)
	if s.Levels > 1 {
		s.ILMs = 2
	}
	s.Start = min(s.ILMs+d.IntN(3), s.Candidates)
	d.tops = s.Candidates
	if s.Levels > 1 {
		d.tops = min(s.Candidates, 12)
	}
	s.Policy = []string{"paper", "paper", "balance"}[d.IntN(3)]
	s.Ban = []time.Duration{20 * time.Second, 20 * time.Second, time.Hour}[d.IntN(3)]
	s.Churn = []float64{0.05, 0.1, 0.5}[d.IntN(3)]
	s.Abandon = !d.planned && d.IntN(4) == 0
	if s.Abandon { // else who reaches the dead is tried again and again, and nothing comes to rest
		s.Ban = time.Hour
	}
	if !s.Abandon && !d.planned {
		s.Kill = d.IntN(64)
	}
	s.LogRecords = []int{65536, 65536, 2000}[d.IntN(3)]
	s.LogRead = []int{500, 500, 60}[d.IntN(3)]
	s.DriftPPM = []int{0, 50, 500}[d.IntN(3)]
}

// times draws how fast the tree works.
func (d *drawing) times(triggers int) {
	s := d.s
	s.Trigger = time.Second
	s.Interval = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second}[d.IntN(3)]
	s.Probe = []time.Duration{500, 500, 1000}[d.IntN(3)] * time.Millisecond
	s.Misses = 3
	s.Patience = []time.Duration{200, 200, 950}[d.IntN(3)] * time.Millisecond
	if s.Patience > 500*time.Millisecond {
		s.SlowPolls = []time.Duration{0, 100, 900}[d.IntN(3)] * time.Millisecond
	}
	if d.planned {
		s.Patience, s.PollsPass, s.LogRecords = 950*time.Millisecond, true, 65536
		s.SlowPolls = []time.Duration{0, 100, 900}[d.IntN(3)] * time.Millisecond
	}
	calm := 60 * time.Second // silence, short bans and back-off have passed by then
	if s.Kill > 0 {
		calm += 45*time.Second + time.Duration(s.Levels)*5*time.Second
	}
	s.End = time.Duration(triggers) * s.Trigger
	s.Calm = max(s.End-calm, 20*time.Second)
	s.End = max(s.End, s.Calm+calm)
}

func (d *drawing) add(kind Kind, a, b, n int) {
	if d.at < d.s.Calm {
		d.s.Faults = append(d.s.Faults, Fault{d.at.Round(time.Millisecond), kind, a, b, n})
	}
	switch kind {
	case Crash, Stop, Forget:
		d.down = append(d.down, a)
	}
}

func (d *drawing) pause(most time.Duration) {
	d.at += time.Duration(d.Int64N(int64(most)))
}

func (d *drawing) forming() { d.at = time.Duration(3+2*d.s.Levels+d.IntN(3)) * time.Second }

// ilm is a machine that may be an ILM, any is any but the top.
func (d *drawing) ilm() int { return 2 + d.IntN(max(d.tops, 1)) }
func (d *drawing) any() int { return 2 + d.IntN(d.s.Nodes) }

// mostly is an ILM, sometimes another.
func (d *drawing) mostly() int {
	if d.IntN(5) == 0 {
		return d.any()
	}
	return d.ilm()
}

// manager is the top, or an ILM that may have others below.
func (d *drawing) manager() int {
	if d.s.Levels == 1 || d.IntN(3) == 0 {
		return 1
	}
	return d.ilm()
}

// fault draws what a kind of fault needs.
func (d *drawing) fault(kind Kind) {
	a, b, n := 0, 0, 0
	switch kind {
	case Crash, Stop, Readdress:
		a = d.mostly()
	case Restart:
		a = d.mostly()
		if len(d.down) > 0 {
			i := d.IntN(len(d.down))
			a = d.down[i]
			d.down = slices.Delete(d.down, i, i+1)
		}
	case Forget:
		a, n = d.ilm(), d.IntN(4)
	case ListFull, ListTorn, ListDies:
		a, n = d.ilm(), 1+d.IntN(3)
		if d.IntN(6) == 0 {
			a = 1
		}
	case Restore:
		n = d.IntN(4) / 3
	case StoreFull, StoreTorn, StoreDies:
		a, n = d.manager(), 1+d.IntN(6)
	case DieIn:
		a, n = d.manager(), 1+d.IntN(8)
	case ForgetStore:
		if d.s.Levels == 1 {
			return
		}
		a = d.ilm()
	case Pause:
		a, n = d.mostly(), 3+d.IntN(60)
		if d.IntN(4) == 0 {
			a = 1
		}
	case PauseManager, Depose:
		n = d.IntN(40)
	case Cut, CutOneWay:
		a, b = 1, d.mostly()
		if d.IntN(3) == 0 { // an ILM and a node, or two ILMs
			a = d.ilm()
		}
		if kind == CutOneWay && d.IntN(2) == 0 {
			a, b = b, a
		}
	case Split:
		a = d.IntN(2)
		if d.IntN(3) > 0 {
			b = 2 + d.IntN(d.tops)
			n = b + d.IntN(3)
			if d.IntN(2) == 0 {
				n += d.s.Nodes / 3
			}
		}
	case Heal:
		a = d.mostly()
	case Slow:
		a, n = d.mostly(), []int{0, 100, 1000, 3000}[d.IntN(4)]
	case Weather:
		n = []int{0, 2, 5, 30}[d.IntN(4)]
	case Clock:
		a, n = d.mostly(), []int{-5400, -120, -3, 2, 120, 5400}[d.IntN(6)]
		if d.IntN(4) == 0 {
			a = 1
		}
	case Drift:
		a, n = d.mostly(), []int{-500, 500, 5000, -5000}[d.IntN(4)]
		if d.IntN(3) == 0 {
			a = d.manager()
		}
	case Clone:
		a = d.mostly()
	case Heat:
		a, n = d.ilm(), []int{0, 10, 200, 400, 6000}[d.IntN(5)]
	case Drain, Undrain:
		a = d.ilm()
	case Place:
		if a, b, n = d.any(), d.ilm(), d.IntN(12); d.IntN(5) == 0 {
			a, b, n = d.ilm(), 0, 0
		}
	case Pin, Unpin:
		a = d.any()
	case Tune:
		n = []int{10, 20, 50}[d.IntN(3)]
	case Leave:
		a = d.any()
		if d.IntN(4) == 0 {
			a = d.ilm()
		}
	}
	d.add(kind, a, b, n)
}

func (d *drawing) some(list ...Kind) { d.fault(list[d.IntN(len(list))]) }

// themes are faults that make each other worse. What is drawn from all kinds
// alike seldom meets, say, a backup, two restarts and a restore in a row.
var themes = [][]Kind{
	nil, // all
	{Backup, Restore, DieIn, StoreDies, Heat, Trigger, Cut, Heal, Drain, Undrain, Restart},
	{Depose, Depose, PauseManager, Weather, Heat, Trigger, Drain, Undrain, Cut, Heal, StopOthers, CutOneWay},
	{Crash, Restart, Restart, Stop, Forget, ListDies, ListTorn, ListFull, Heat, Weather, DieIn, StoreTorn, Clock, Pause},
	{Cut, Cut, CutOneWay, HealAll, Heat, Drain, Undrain, Heal, Crash, Restart, Split},
	{Rival, StopOthers, StopOthers, Cut, HealAll, Restore, Backup, Heat, DieIn},
	{Join, Leave, Readdress, Tune, DieIn, Cut, HealAll, Heat, Weather, Backup, Restore, Clone, Unclone},
	{Pause, Pause, Slow, Slow, Heat, Trigger, Drain, Undrain, Weather, StoreFull, ListFull, PauseManager},
	{Split, HealAll, Crash, Restart, Heat, Pause, DieIn, CutOneWay},
	{ForgetStore, StoreTorn, StoreDies, DieIn, Crash, Restart, Heat, ListTorn, ListDies, Drain, Undrain},
	{Clock, Drift, Drift, Crash, Restart, Heat, Tune, Drain, Undrain, DieIn},
	{Heat, Heat, Heat, Trigger, Drain, Undrain, Crash, Stop, Restart, Hold, Resume, Pin, Unpin, Place},
}

// episodes draws faults until it is time for calm: themes, and stories, each
// followed by a while in which most of it heals.
func (d *drawing) episodes() {
	for harms := 0; d.at < d.s.Calm || harms < MinFaults; harms = d.s.Harms() {
		if d.at >= d.s.Calm { // too few yet: begin again among the others
			d.forming()
			d.pause(d.s.Calm - d.at)
		}
		if d.IntN(2) == 0 {
			d.story()
		} else {
			theme := themes[d.IntN(len(themes))]
			pace := []time.Duration{50, 300, 1200, 2500}[d.IntN(4)] * time.Millisecond
			for range 4 + d.IntN(12) {
				d.pause(2 * pace)
				kind := Kind(d.IntN(int(kinds)))
				if theme != nil && d.IntN(10) > 0 {
					kind = theme[d.IntN(len(theme))]
				}
				d.fault(kind)
			}
		}
		if d.IntN(4) > 0 {
			d.recover()
		}
		d.pause(8 * time.Second)
	}
}

// recover heals most of what the faults before have broken.
func (d *drawing) recover() {
	d.pause(3 * time.Second)
	d.add(HealAll, 0, 0, 0)
	d.add(Weather, 0, 0, 0)
	d.add(Resume, 0, 0, 0)
	for _, a := range d.down {
		if d.IntN(5) > 0 {
			d.pause(600 * time.Millisecond)
			d.add(Restart, a, 0, 0)
		}
	}
	d.down = d.down[:0]
	if d.IntN(2) == 0 {
		d.add(StopOthers, 0, 0, 0)
	}
	if d.IntN(3) == 0 {
		d.add(Unclone, 0, 0, 0)
	}
}

// story is faults in an order in which they hurt most: something moves, its
// manager is copied or replaced in the middle of it, more happens that the
// copy does not know, a part of the ILMs is out of reach when the copy takes
// over, and comes back later.
func (d *drawing) story() {
	stir := func(n int) {
		for range n {
			d.pause(800 * time.Millisecond)
			d.some(Heat, Heat, Drain, Undrain, Trigger, Crash, Stop, Restart, Cut)
		}
	}
	if d.IntN(2) == 0 {
		d.some(Weather)
	}
	stir(1 + d.IntN(3))
	takeOver := []Kind{Restore, Restore, Depose, DieIn, StoreDies}[d.IntN(5)]
	if takeOver == Restore {
		d.pause(2 * time.Second)
		d.fault(Backup)
	}
	stir(1 + d.IntN(4))
	for range d.IntN(3) {
		d.pause(1500 * time.Millisecond)
		d.some(DieIn, StoreTorn, StoreDies)
	}
	for range d.IntN(3) {
		d.pause(2500 * time.Millisecond)
		d.some(Cut, Crash, Forget, ListDies, ListTorn, CutOneWay)
	}
	d.pause(2500 * time.Millisecond)
	d.fault(takeOver)
	if takeOver == Restore && d.IntN(3) == 0 { // the same backup once more
		stir(1 + d.IntN(3))
		d.pause(2500 * time.Millisecond)
		d.fault(takeOver)
	}
	for range 1 + d.IntN(6) {
		d.pause(2500 * time.Millisecond)
		d.some(Heal, Heal, HealAll, Restart, Heat, Cut, Undrain)
	}
}

// plannedMoves draws what planned moves are to survive without losing a
// sample: a network that loses, doubles and delays control messages, managers
// that die between any two actions, pause and are deposed, and ILMs that are
// cut off from them for a while. Processes that poll do not die, and where
// there are several levels no ILM is taken for dead.
func (d *drawing) plannedMoves() {
	for d.at < d.s.Calm {
		d.pause([]time.Duration{200, 600, 2000}[d.IntN(3)] * time.Millisecond)
		kind := []Kind{Heat, Heat, Heat, Heat, Heat, Heat, Drain, Undrain, Undrain, Trigger, Trigger, Pin, Unpin, Place, Weather, StoreFull, PauseManager, Depose, Cut, HealAll, HealAll}[d.IntN(21)]
		switch kind {
		case Cut:
			if d.s.Levels == 1 { // what is between managers when one is lost is no planned move's
				d.add(Cut, 1, d.ilm(), 0)
			}
		case PauseManager, Depose:
			d.add(kind, 0, 0, d.IntN(15))
		case StoreFull:
			d.add(StoreFull, 1, 0, 1+d.IntN(6))
		case Weather:
			n := []int{0, 5, 30}[d.IntN(3)]
			if d.s.Levels > 1 {
				n = min(n, 5)
			}
			d.add(Weather, 0, 0, n)
		default:
			d.fault(kind)
		}
	}
}
