package store

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"simone/internal/store/storetest"
	"simone/mib"
	"simone/reconfig"
)

// filledChange has something in every field.
func filledChange() Change {
	list := storetest.Filled[reconfig.ListChange]()
	list.Ack = reconfig.Cursor{} // not durable
	return Change{
		Txn: storetest.Filled[reconfig.Txn](), List: &list,
		Entries: []Entry{{7, storetest.Filled[reconfig.Entry]()}},
		Put:     map[string]string{"a": "1", "b": "\xff\x00"}, Unset: []string{"c"},
	}
}

func TestPackedChange(t *testing.T) {
	id := rapid.Map(rapid.Uint32Range(1, 200), func(n uint32) mib.NodeID { return mib.NodeID(n) })
	check := func(t interface{ Fatalf(string, ...any) }, c Change) {
		packed, err := c.Pack()
		if err != nil {
			t.Fatalf("pack: %v", err)
		}
		got, err := ParseChange(packed)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("error %v\n got %+v\nwant %+v", err, got, c)
		}
	}
	check(t, Change{})
	check(t, filledChange())
	rapid.Check(t, func(t *rapid.T) {
		check(t, Change{Txn: storetest.Txn(t, id)})
		check(t, Change{List: storetest.Change(t, id)})
	})
}

// A change and the parts that it touches say the same.
func TestPartsMakeTheWhole(t *testing.T) {
	id := rapid.Map(rapid.Uint32Range(1, 200), func(n uint32) mib.NodeID { return mib.NodeID(n) })
	rapid.Check(t, func(t *rapid.T) {
		whole, copied := NewMemory(), NewMemory()
		touched := make(map[Part]bool)
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			c := Change{Txn: storetest.Txn(t, id), List: storetest.Change(t, id)}
			c.Txn.Samples = nil
			if err := whole.Do(c); err != nil {
				t.Fatal(err)
			}
			for _, p := range c.Parts() {
				touched[p] = true
			}
		}
		head := Part{Kind: PartHead}
		delete(touched, head)
		for p := range touched {
			c, err := whole.Part(p)
			if err == nil {
				err = copied.Do(c)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		c, err := whole.Part(head)
		if err == nil {
			err = copied.Do(c)
		}
		if err != nil {
			t.Fatal(err)
		}
		a, errA := whole.Load()
		b, errB := copied.Load()
		x, errX := whole.LoadList()
		y, errY := copied.LoadList()
		if errA != nil || errB != nil || errX != nil || errY != nil || !reflect.DeepEqual(a, b) || !reflect.DeepEqual(x, y) {
			t.Fatalf("errors %v %v %v %v\nparts %+v\n%+v\nwhole %+v\n%+v", errA, errB, errX, errY, b, y, a, x)
		}
	})
}

func FuzzParseChange(f *testing.F) {
	c := filledChange()
	packed, err := c.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	small := Change{Put: map[string]string{"a": "b"}}
	if packed, err = small.Pack(); err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add([]byte{packedPlain, fieldPut, 3, 2, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseChange(b)
		if err != nil {
			return
		}
		again, err := c.Pack()
		if err != nil {
			t.Fatalf("what was parsed cannot be packed: %v", err)
		}
		if _, err := ParseChange(again); err != nil {
			t.Fatal(err)
		}
	})
}
