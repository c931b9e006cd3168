package reconfig

import (
	"slices"
	"testing"

	"simone/mib"
)

// watchedTree is eight ILMs of ten nodes that take a stu for each node and
// intensity, and what is known of the machines that they leave.
type watchedTree struct {
	yield
	ilms []ChildView
	left map[mib.NodeID]HostLoad
}

func newWatchedTree() *watchedTree {
	w := &watchedTree{left: make(map[mib.NodeID]HostLoad)}
	for id := range mib.NodeID(8) {
		c := ilm(id+1, 10, 10)
		c.Host.Known = true
		w.ilms = append(w.ilms, c)
	}
	w.look(w.ilms, w.load)
	return w
}

func (w *watchedTree) load(id mib.NodeID) (HostLoad, bool) {
	l, known := w.left[id]
	return l, known
}

// move has the first ILM come from a machine with two jobs, which stays so busy for
// some rounds, and take so many stu more than usual in the rounds that follow.
func (w *watchedTree) move(busy int, more ...float64) {
	w.left[99] = HostLoad{Known: true, Load: 2}
	w.sawMove(Transformation{Kind: KindMigrate, From: 99, To: 1, Promote: true, Demote: true}, 3, 1)
	for round := range yieldRounds {
		if round == busy {
			w.left[99] = HostLoad{Known: true}
		}
		w.ilms[0].Temperature = 10
		if round < len(more) {
			w.ilms[0].Temperature += more[round]
		}
		w.look(w.ilms, w.load)
	}
}

func TestMovesThatBringWhatWasHopedForStayAsCheap(t *testing.T) {
	w := newWatchedTree()
	for range 30 {
		w.move(yieldRounds, 10) // at the old machine 30 stu in each round
		w.move(4, 10)
	}
	if f := w.dearer(); f != 1 {
		t.Errorf("moves are %v times as dear", f)
	}
	if len(w.watched) > 0 {
		t.Errorf("%d are watched for ever", len(w.watched))
	}
}

func TestMovesThatCostMoreThanTheyBringBecomeDearer(t *testing.T) {
	for _, tc := range []struct {
		name string
		move func(*watchedTree)
	}{
		{"a role that takes long to start", func(w *watchedTree) { w.move(yieldRounds, 100, 200, 300) }},
		{"a machine that is slower than it looked", func(w *watchedTree) { w.move(yieldRounds, slices.Repeat([]float64{28}, yieldRounds)...) }},
		{"the old machine was idle again at once", func(w *watchedTree) { w.move(0, 40, 40, 40) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWatchedTree()
			for range 24 {
				tc.move(w)
			}
			dear := w.dearer()
			if dear < 1.5 {
				t.Fatalf("after 24 such moves others are %.2f times as dear", dear)
			}
			if len(w.watched) > 0 {
				t.Errorf("%d are watched for ever", len(w.watched))
			}
			for range 120 {
				w.move(yieldRounds)
			}
			if again := w.dearer(); again != 1 {
				t.Errorf("they are still %.2f times as dear after 120 that were worth it", again)
			}
		})
	}
}

// What happens to others, or to an ILM that is gone, is no lesson.
func TestOnlyMovesOfILMsThatAreThereTeach(t *testing.T) {
	w := newWatchedTree()
	w.sawMove(Transformation{Kind: KindSplit, From: 2, To: 1}, 3, 1)
	w.sawMove(Transformation{Kind: KindMigrate, From: 99, To: 77, Promote: true, Demote: true}, 3, 1)
	w.ilms[0].Temperature = 10_000
	for range 3 * yieldRounds {
		w.look(w.ilms, w.load)
	}
	if w.dearer() != 1 || len(w.watched) > 0 {
		t.Errorf("moves are %v times as dear, %d are watched", w.dearer(), len(w.watched))
	}
}
