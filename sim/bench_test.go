package sim

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"simone/sim/heap"
	"simone/sim/scenario"
)

// sized is NCS-H at a size, with a TLM that keeps up.
func sized(leaves, ilms int, end float64) *scenario.Parameters {
	p := scenario.Default()
	p.Policy, p.Leaves, p.ILMs, p.End, p.Warmup = "static", leaves, ilms, end, 0
	p.TLMCost = min(p.TLMCost, 20/float64(leaves))
	return p
}

// BenchmarkEvents gives events per second of processor time, the bytes that a leaf
// takes at the end of a run, and as the yardstick the events of an M/M/1
// queue on the same heap.
func BenchmarkEvents(b *testing.B) {
	for _, bc := range []struct {
		leaves, ilms int
		end          float64
	}{{1024, 8, 20_000}, {100_000, 800, 1_000}} {
		b.Run(fmt.Sprintf("%d-%d", bc.leaves, bc.ilms), func(b *testing.B) {
			var events uint64
			var bytes float64
			var worked time.Duration
			for b.Loop() {
				b.StopTimer()
				before := heapInUse()
				w := mustWorld(b, sized(bc.leaves, bc.ilms, bc.end))
				b.StartTimer()
				began := processorTime(b)
				if err := w.run(context.Background()); err != nil {
					b.Fatal(err)
				}
				worked += processorTime(b) - began
				b.StopTimer()
				bytes = float64(heapInUse()-before) / float64(bc.leaves)
				events += w.events
				b.StartTimer()
			}
			b.ReportMetric(float64(events)/worked.Seconds(), "events/cpu-s")
			b.ReportMetric(bytes, "B/leaf")
		})
	}
	b.Run("MM1", func(b *testing.B) {
		const perRun = 1_000_000
		began := processorTime(b)
		for b.Loop() {
			queueMM1(perRun)
		}
		b.ReportMetric(float64(b.N)*perRun/(processorTime(b)-began).Seconds(), "events/cpu-s")
	})
}

// processorTime is what the process has used, so that what others do at the
// same time does not count.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// queueMM1 is so many events of one queue with exponential gaps and services.
func queueMM1(events int) (served int) {
	const arrival, end = 0, 1
	h, dice := heap.New[float64](2), stream(1, 2, 3)
	gap, service := law(distuv.Exponential{Rate: 0.8}.Quantile), law(distuv.Exponential{Rate: 1}.Quantile)
	h.Set(arrival, key{At: gap.draw(&dice)})
	waiting := 0
	for range events {
		slot, k, _ := h.Next()
		if slot == arrival {
			h.Set(arrival, key{At: k.At + gap.draw(&dice)})
			if waiting++; waiting == 1 {
				h.Set(end, key{At: k.At + service.draw(&dice), Rank: 1})
			}
			continue
		}
		served++
		if waiting--; waiting > 0 {
			h.Set(end, key{At: k.At + service.draw(&dice), Rank: 1})
		} else {
			h.Clear(end)
		}
	}
	return served
}
