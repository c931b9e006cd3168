package storetest

import (
	"fmt"
	"reflect"
	"time"

	"pgregory.net/rapid"

	"simone/mib"
	"simone/reconfig"
)

// fill sets everything in a value, however deep, to something that is not
// zero, so that a field which is not kept is found.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), n)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d <&> é\x00", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(-int64(*n % 100))
		if !v.OverflowInt(-1 << 62) {
			v.SetInt(-1<<62 - int64(*n))
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		top := uint64(1)<<(v.Type().Bits()-1) | uint64(*n%100)
		v.SetUint(top)
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.1)
	default:
		panic("fill does not know " + v.Kind().String())
	}
}

// Filled gives a value with no zero in it.
func Filled[T any]() (t T) {
	n := 0
	fill(reflect.ValueOf(&t).Elem(), &n)
	return t
}

// Txn draws a transaction on nodes that id gives.
func Txn(t *rapid.T, id *rapid.Generator[mib.NodeID]) reconfig.Txn {
	var txn reconfig.Txn
	if rapid.Bool().Draw(t, "meta") {
		txn.Meta = &reconfig.Meta{Term: rapid.Uint32().Draw(t, "term"), Order: rapid.Uint64().Draw(t, "order")}
	}
	for range rapid.IntRange(0, 3).Draw(t, "nodes") {
		txn.Nodes = append(txn.Nodes, reconfig.Node{
			ID: id.Draw(t, "id"), Name: rapid.String().Draw(t, "name"), Drained: rapid.Bool().Draw(t, "drained"),
			Zero: reconfig.Instant(rapid.Int64().Draw(t, "zero")),
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "ledgers") {
		l := reconfig.Ledger{Refused: rapid.Uint64().Draw(t, "refused")}
		for _, slot := range rapid.SliceOfN(rapid.Uint32(), 0, 5).Draw(t, "slots") {
			l.Fill(slot)
		}
		if rapid.Bool().Draw(t, "holds") {
			l.Held = []reconfig.HeldSample{{Slot: rapid.Uint32().Draw(t, "slot"), At: reconfig.Instant(rapid.Int64().Draw(t, "at")),
				By: id.Draw(t, "by"), Payload: rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "payload")}}
		}
		txn.Ledgers = append(txn.Ledgers, reconfig.LedgerOf{Node: id.Draw(t, "id"), Ledger: l})
	}
	for range rapid.IntRange(0, 2).Draw(t, "cursors") {
		txn.Cursors = append(txn.Cursors, reconfig.CursorOf{Child: id.Draw(t, "child"),
			Cursor: reconfig.Cursor{Incarnation: rapid.Uint64().Draw(t, "incarnation"), Seq: rapid.Uint32().Draw(t, "seq")}})
	}
	for range rapid.IntRange(0, 8).Draw(t, "samples") {
		txn.Samples = append(txn.Samples, reconfig.Stored{Node: id.Draw(t, "id"), Slot: rapid.Uint32Range(0, 20).Draw(t, "slot"),
			At: reconfig.Instant(rapid.Int64().Draw(t, "at")), By: id.Draw(t, "by"), Payload: rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "payload")})
	}
	if rapid.IntRange(0, 3).Draw(t, "forgets") == 0 {
		txn.Forget = []mib.NodeID{id.Draw(t, "forget")}
	}
	return txn
}

// Change draws a change of a list.
func Change(t *rapid.T, id *rapid.Generator[mib.NodeID]) *reconfig.ListChange {
	ch := &reconfig.ListChange{
		Active: rapid.Bool().Draw(t, "active"), FenceSum: rapid.Uint64().Draw(t, "sum"), Term: rapid.Uint32Max(3).Draw(t, "term"),
		Fence: mib.Fence{Parent: id.Draw(t, "parent"), Own: mib.Epoch{1, 2, 3, rapid.Uint32().Draw(t, "own")}, Seq: rapid.Uint32().Draw(t, "seq")},
	}
	for range rapid.IntRange(0, 3).Draw(t, "rows") {
		ch.Rows = append(ch.Rows, reconfig.ListRow{
			Row:  mib.SupportRow{Node: id.Draw(t, "node"), Name: rapid.String().Draw(t, "name"), Due: time.Duration(rapid.Int64().Draw(t, "due"))},
			Zero: reconfig.Instant(rapid.Int64().Draw(t, "zero")),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "removed") {
		ch.Removed = append(ch.Removed, id.Draw(t, "remove"))
	}
	for range rapid.IntRange(0, 2).Draw(t, "tombs") {
		ch.Tombs = append(ch.Tombs, mib.Tombstone{Node: id.Draw(t, "tomb"), Epoch: mib.Epoch{0, rapid.Uint32Range(0, 1).Draw(t, "epoch")}})
	}
	return ch
}
