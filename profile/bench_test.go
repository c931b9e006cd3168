package profile

import (
	"testing"
	"time"

	"simone/mib"
)

// BenchmarkReading makes values of what a switch of 48 ports answers to the
// profile interfaces, most of them rates.
func BenchmarkReading(b *testing.B) {
	set := BuiltInSet()
	found, err := set.Find(Interfaces)
	if err != nil {
		b.Fatal(err)
	}
	p := NewPlan(found)
	var vars []mib.Variable
	for _, column := range p.Columns(1) {
		for port := range uint32(48) {
			vars = append(vars, mib.Variable{Name: column.Append(port + 1), Value: mib.Counter64(uint64(port))})
		}
	}
	vars = append(vars, mib.Variable{Name: sysUpTime, Value: mib.Ticks(0)})
	var r Reading
	var past Past
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		at := time.Duration(n) * time.Second
		p.Read(&r, 1)
		for i := range vars {
			if v := &vars[i].Value; v.Type == mib.TypeTimeTicks {
				v.Uint += 100
			} else {
				v.Uint += 1000
			}
			r.Take(vars[i], at)
		}
		if got := len(r.End(&past, uint32(n), time.Second)); n > 0 && got < 13*48 {
			b.Fatalf("%d values", got)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(vars)), "ns/object")
}
