//go:build unix

package store

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// BenchmarkApply is a TLM of 1,000 nodes polled every second, written ten
// times a second: each transaction has 100 samples of ten values and 100
// ledgers, and every ring is full. cpu-ms/op is user and system time of the
// whole process; the rest is waiting for the disk.
func BenchmarkApply(b *testing.B) {
	const nodes, perTxn = 1000, 100
	d := mustOpen(b, filepath.Join(b.TempDir(), "tlm.db"), Limits{})
	values := mib.Sample{RTT: 300 * time.Microsecond, Cost: 5 * time.Microsecond}
	for i := range uint32(10) {
		values.Values = append(values.Values, mib.MetricValue{Metric: i * 0x01234567, Value: float64(i) * 12345.678})
	}
	payload := values.Append(nil)
	slot, at := uint32(1), 0
	transaction := func(n int) reconfig.Txn {
		var txn reconfig.Txn
		for range n {
			id := mib.NodeID(at + 1)
			txn.Samples = append(txn.Samples, reconfig.Stored{Node: id, Slot: slot, At: reconfig.Instant(slot) * 1e9, By: 3, Payload: payload})
			txn.Ledgers = append(txn.Ledgers, reconfig.LedgerOf{Node: id, Ledger: reconfig.Ledger{
				Runs: []reconfig.Run{{From: 1, To: slot / 2}, {From: slot/2 + 2, To: slot + 1}},
			}})
			if at++; at == nodes {
				at = 0
				slot++
			}
		}
		txn.Cursors = []reconfig.CursorOf{{Child: 3, Cursor: reconfig.Cursor{Incarnation: 1, Seq: slot}}}
		return txn
	}
	d.bolt.NoSync = true
	for slot <= uint32(d.limits.Samples) {
		must(b, d.Apply(transaction(10*nodes)))
	}
	d.bolt.NoSync = false
	b.ReportAllocs()
	start := cpuTime(b)
	for b.Loop() {
		must(b, d.Apply(transaction(perTxn)))
	}
	b.ReportMetric(float64((cpuTime(b)-start).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// BenchmarkOpen opens a store of 1,000 nodes with full rings.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "tlm.db")
	d := mustOpen(b, path, Limits{})
	d.bolt.NoSync = true
	for slot := uint32(1); slot <= uint32(d.limits.Samples); slot++ {
		var txn reconfig.Txn
		for id := mib.NodeID(1); id <= 1000; id++ {
			txn.Samples = append(txn.Samples, reconfig.Stored{Node: id, Slot: slot, Payload: make([]byte, 120)})
		}
		must(b, d.Apply(txn))
	}
	must(b, d.Close())
	for b.Loop() {
		d, err := Open(path)
		must(b, err)
		must(b, d.Close())
	}
}

func BenchmarkSamples(b *testing.B) {
	d := mustOpen(b, filepath.Join(b.TempDir(), "tlm.db"), Limits{})
	var txn reconfig.Txn
	for slot := range uint32(512) {
		txn.Samples = append(txn.Samples, reconfig.Stored{Node: 5, Slot: slot, Payload: make([]byte, 120)})
	}
	must(b, d.Apply(txn))
	for b.Loop() {
		_, err := d.Samples(5, 10)
		must(b, err)
	}
}

func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	must(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
