package reconfig

import (
	"testing"
	"time"

	"simone/mib"
)

// copiesTest is an ILM with a log of 16 records that polls node 2 and has an
// ILM below, node 5.
type copiesTest struct {
	*listTest
	*Middle
	read uint32 // of the log below
	slot uint32
}

func newCopiesTest(t *testing.T) *copiesTest {
	l := newListTest(t, ListLimits{LogRecords: 16})
	l.mustSet(start, stage(row(2, 1)))
	l.mustSet(start, ControlSet{Verb: Acknowledge, Cursor: l.Log().Head()})
	c := &copiesTest{listTest: l, Middle: NewMiddle(l.List, New(State{Meta: Meta{Self: 9, Level: 1}}, DefaultSettings(), 1))}
	c.Events(start)
	return c
}

// relay copies some more records of the log below.
func (c *copiesTest) relay(count int) {
	a := Relay{Child: 5}
	for range count {
		c.read++
		a.Records = append(a.Records, mib.Record{Seq: c.read, Kind: mib.RecordSample, Node: 6, Slot: c.read})
	}
	a.Cursor = Cursor{Incarnation: 3, Seq: c.read}
	c.Take(start, a)
}

// polls has some slots of the ILM's own polled.
func (c *copiesTest) polls(count int) {
	for range count {
		c.slot++
		c.Polled(start.Add(time.Duration(c.slot)*time.Second), 2, 4+c.slot, mib.Sample{})
	}
}

// acknowledged is what the engine hears of the log below, and of announcements,
// when all of the ILM's log has been acknowledged.
func (c *copiesTest) acknowledged() (relayed, again Cursor, vouched, claimed, unrelayed bool) {
	c.mustSet(start, ControlSet{Verb: Acknowledge, Cursor: c.Log().Head()})
	for _, ev := range c.Events(start) {
		switch ev := ev.(type) {
		case Relayed:
			relayed = ev.Cursor
		case Unrelayed:
			again, unrelayed = ev.Cursor, true
		case Vouched:
			vouched = true
		case Claimed:
			claimed = true
		}
	}
	return relayed, again, vouched, claimed, unrelayed
}

// What had no room in the log is not acknowledged below, and is copied when
// there is room.
func TestCopiesWaitForRoom(t *testing.T) {
	c := newCopiesTest(t)
	c.relay(8)
	c.relay(8)
	c.relay(8)
	if have := len(c.Log().records); have != 12 || c.Log().Dropped() != 0 {
		t.Errorf("%d of 16 records are copies, %d fell off", have, c.Log().Dropped())
	}
	if relayed, _, _, _, unrelayed := c.acknowledged(); relayed.Seq != 12 || !unrelayed {
		t.Errorf("the log below is acknowledged to %d, read again: %v", relayed.Seq, unrelayed)
	}
	c.read = 12
	c.relay(8)
	if relayed, _, _, _, unrelayed := c.acknowledged(); relayed.Seq != 20 || unrelayed {
		t.Errorf("the log below is acknowledged to %d, read again: %v", relayed.Seq, unrelayed)
	}
}

// What had no room is read again from what is in the log by now, not from what
// was acknowledged.
func TestCopiesInTheLogAreNotReadAgain(t *testing.T) {
	c := newCopiesTest(t)
	c.relay(8)
	c.relay(8)
	c.mustSet(start, ControlSet{Verb: Acknowledge, Cursor: Cursor{Incarnation: 7, Seq: 9}})
	var again Cursor
	for _, ev := range c.Events(start) {
		if ev, is := ev.(Unrelayed); is {
			again = ev.Cursor
		}
	}
	if want := (Cursor{Incarnation: 3, Seq: 12}); again != want {
		t.Errorf("read again from %+v, want %+v", again, want)
	}
}

// What fell off the log was read by nobody, whatever is acknowledged after it.
func TestCopiesThatFellOff(t *testing.T) {
	c := newCopiesTest(t)
	c.relay(4)
	c.relay(4)
	c.Take(start, Announce{Child: 5, Active: true})
	c.polls(8) // one more than there is room for
	relayed, again, vouched, claimed, unrelayed := c.acknowledged()
	if relayed.Seq != 0 || !unrelayed || again != (Cursor{}) {
		t.Errorf("the log below is acknowledged to %d, read again: %v from %+v", relayed.Seq, unrelayed, again)
	}
	if !vouched || claimed {
		t.Errorf("the announcement, which did not fall off: acknowledged %v, made again %v", vouched, claimed)
	}

	c = newCopiesTest(t)
	c.Take(start, Announce{Child: 5, Active: true})
	c.polls(16)
	if _, _, vouched, claimed, _ := c.acknowledged(); vouched || !claimed {
		t.Errorf("the announcement, which fell off: acknowledged %v, made again %v", vouched, claimed)
	}
}

// The engine reads a log below again from where copies are missing, and heeds
// no reading that was begun beyond it.
func TestUnrelayedIsReadAgain(t *testing.T) {
	stored, kept := Cursor{Incarnation: 3, Seq: 4}, Cursor{Incarnation: 3, Seq: 7}
	for _, from := range []Cursor{{}, kept} {
		e := New(State{Meta: Meta{Self: 9, Level: 1, Term: 1}, Nodes: map[mib.NodeID]Node{
			5: {ID: 5, Kind: mib.KindLeaf, Owner: 9, Epoch: epoch(1), Wanted: true},
		}, Cursors: map[mib.NodeID]Cursor{5: stored}}, DefaultSettings(), 1)
		if _, err := e.Step(Restarted{At: At{start}}); err != nil {
			t.Fatal(err)
		}
		c := e.children[5]
		c.relayed, c.reading = Cursor{Incarnation: 3, Seq: 20}, 99
		if _, err := e.Step(Unrelayed{At: At{start}, Child: 5, Cursor: from}); err != nil {
			t.Fatal(err)
		}
		want := stored
		if from == kept {
			want = kept
		}
		if got := e.readTo(c); got != want || c.reading == 99 {
			t.Errorf("from %+v: read to %+v, want %+v; the old reading counts: %v", from, got, want, c.reading == 99)
		}
	}
}
