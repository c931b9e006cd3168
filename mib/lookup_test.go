package mib

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The lookups that every request does are written out by hand; they are those
// of the standard library.
func TestLookupsAreTheLibrarys(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	random := func() OID {
		o := make(OID, chance.IntN(4))
		for i := range o {
			o[i] = []uint32{0, 1, 2, 1<<32 - 1}[chance.IntN(4)]
		}
		return o
	}
	for range 200 {
		var names []OID
		for range chance.IntN(20) {
			names = append(names, random())
		}
		slices.SortFunc(names, slices.Compare[OID])
		names = slices.CompactFunc(names, slices.Equal[OID])
		for range 50 {
			name := random()
			i, exact := firstAt(len(names), func(i int) OID { return names[i] }, name)
			if at, there := slices.BinarySearchFunc(names, name, slices.Compare[OID]); i != at || exact != there {
				t.Fatalf("%v in %v: %d %v, not %d %v", name, names, i, exact, at, there)
			}
			for _, o := range names {
				if o.Compare(name) != slices.Compare(o, name) {
					t.Fatalf("%v compared with %v: %d", o, name, o.Compare(name))
				}
			}
		}
	}
}

// A step of a walk makes the name that it returns, and what the rows make: here
// nothing.
func TestNextMakesItsNameOnly(t *testing.T) {
	entry := OID{1, 3, 6, 1, 3, 1, 1}
	table := NewTableOf(entry, []Column{{Number: 1}, {Number: 2}}, fixedRows{{1}, {2}, {3}})
	tree := NewTree()
	if err := table.Register(tree); err != nil {
		t.Fatal(err)
	}
	from := entry.Append(2, 1)
	if n := testing.AllocsPerRun(100, func() {
		if v, ok := tree.Next(from); !ok || v.Name[len(v.Name)-1] != 2 {
			t.Fatal(v)
		}
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// fixedRows are rows by their indices, in order.
type fixedRows []OID

func (r fixedRows) Next(index OID) (OID, bool) {
	for _, i := range r {
		if i.Compare(index) > 0 {
			return i, true
		}
	}
	return nil, false
}

func (r fixedRows) Value(uint32, OID) Value { return Integer(1) }
