package agent

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"simone/mib"
)

func TestRing(t *testing.T) {
	source := netip.MustParseAddrPort("127.0.0.1:5000")
	r := NewRing(3)
	record := func(n int) {
		// The name aliases a buffer that is used again, as a datagram's is.
		name := mib.OID{1, 3, uint32(n)}
		r.Record(source, mib.VerbGet, name, boot.Add(time.Duration(n)*time.Second))
		name[2] = 999
	}
	check := func(seq uint64, wantForgotten, wantNext uint64, want ...int) {
		t.Helper()
		entries, forgotten, next := r.Since(seq)
		if forgotten != wantForgotten || next != wantNext || len(entries) != len(want) {
			t.Fatalf("Since(%d): %d entries, %d forgotten, next %d; want %d, %d, %d", seq, len(entries), forgotten, next, len(want), wantForgotten, wantNext)
		}
		for i, n := range want {
			e := entries[i]
			if !e.First.Equal(mib.OID{1, 3, uint32(n)}) || e.Source != source || e.Verb != mib.VerbGet || !e.At.Equal(boot.Add(time.Duration(n)*time.Second)) {
				t.Errorf("Since(%d)[%d] = %+v, want number %d", seq, i, e, n)
			}
		}
	}
	check(0, 0, 0)
	record(1)
	record(2)
	check(0, 0, 2, 1, 2)
	check(1, 0, 2, 2)
	kept, _, _ := r.Since(0)
	record(3)
	record(4)
	record(5)
	check(0, 2, 5, 3, 4, 5)
	check(4, 0, 5, 5)
	check(5, 0, 5)
	check(99, 0, 5)
	if !kept[0].First.Equal(mib.OID{1, 3, 1}) {
		t.Errorf("an entry given out changed to %v", kept[0].First)
	}
}

func TestRingIsSafe(t *testing.T) {
	r := NewRing(8)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				r.Record(netip.AddrPort{}, mib.VerbGet, mib.OID{1, uint32(i)}, boot)
				r.Since(0)
			}
		})
	}
	wg.Wait()
	if _, forgotten, next := r.Since(0); next != 2000 || forgotten != 1992 {
		t.Errorf("%d recorded, %d forgotten", next, forgotten)
	}
}

func BenchmarkRingRecord(b *testing.B) {
	r := NewRing(1024)
	source := netip.MustParseAddrPort("127.0.0.1:5000")
	for b.Loop() {
		r.Record(source, mib.VerbGet, mib.SimoneMetricValue, boot)
	}
}
