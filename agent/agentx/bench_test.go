package agentx

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"simone/mib"
)

// benchRows is the table of issue-sized lists: 2,048 rows of four columns.
const benchRows = 2048

// BenchmarkSNMPd is an snmpd with a session of ours and a big table, as a
// manager sees it: reading it whole, and making it by SET. walk-native reads as
// many objects that are the snmpd's own.
func BenchmarkSNMPd(b *testing.B) {
	d := startSNMPd(b, "maxGetbulkResponses 10000", "maxGetbulkRepeats 10000")
	x := newFixture(b, benchRows)
	a, _ := start(b, Config{Master: d.master()}, x.tree)
	connected(b, a)
	c := d.client(b, "private")

	walk := func(b *testing.B, c *gosnmp.GoSNMP, root mib.OID) (n int) {
		b.Helper()
		c.MaxRepetitions = 50
		if err := c.BulkWalk(root.String(), func(gosnmp.SnmpPDU) error { n++; return nil }); err != nil {
			b.Error(err)
		}
		return n
	}
	b.Run("bulkwalk/one-after-another", func(b *testing.B) {
		for b.Loop() {
			if n := walk(b, c, object(5)); n < 4*benchRows {
				b.Fatalf("%d variables", n)
			}
		}
	})
	// One request asks for a row's four columns.
	b.Run("bulkwalk/columns-in-one-request", func(b *testing.B) {
		for b.Loop() {
			if n := walkColumns(b, c, []mib.OID{object(5, 1, 1), object(5, 1, 2), object(5, 1, 3), object(5, 1, 4)}, 25); n < 4*benchRows {
				b.Fatalf("%d variables", n)
			}
		}
	})
	// Four requesters, each with one column.
	clients := []*gosnmp.GoSNMP{d.client(b, "public"), d.client(b, "public"), d.client(b, "public"), d.client(b, "public")}
	b.Run("bulkwalk/columns-side-by-side", func(b *testing.B) {
		for b.Loop() {
			var wg sync.WaitGroup
			for i, c := range clients {
				wg.Go(func() {
					if n := walk(b, c, object(5, 1, uint32(i+1))); n < benchRows {
						b.Errorf("%d variables", n)
					}
				})
			}
			wg.Wait()
		}
	})
	for _, rows := range []int{1, 10, 25, 50} {
		b.Run(fmt.Sprintf("create/rows-per-set=%d", rows), func(b *testing.B) {
			row := uint32(100000)
			for b.Loop() {
				for made := 0; made < benchRows; {
					n := min(rows, benchRows-made)
					vars := make([]gosnmp.SnmpPDU, 0, 3*n)
					for range n {
						row++
						vars = append(vars, gosnmp.SnmpPDU{Name: cell(1, row).String(), Type: gosnmp.Integer, Value: 1},
							gosnmp.SnmpPDU{Name: cell(2, row).String(), Type: gosnmp.OctetString, Value: "n1.example.net"},
							gosnmp.SnmpPDU{Name: cell(3, row).String(), Type: gosnmp.Gauge32, Value: uint32(1)})
					}
					resp, err := c.Set(vars)
					if err != nil || resp.Error != gosnmp.NoError {
						b.Fatalf("%v %v", resp, err)
					}
					made += n
				}
			}
		})
	}
	for _, what := range []struct{ name, oid string }{{"agentx", object(1, 2, 0).String()}, {"native", "1.3.6.1.2.1.1.5.0"}} {
		b.Run("get/"+what.name, func(b *testing.B) {
			for b.Loop() {
				if p, err := c.Get([]string{what.oid}); err != nil || p.Error != gosnmp.NoError {
					b.Fatal(p, err)
				}
			}
		})
	}
	// The snmpd's own objects, as many: those of its configuration (USM, VACM
	// and others) again and again.
	b.Run("walk-native", func(b *testing.B) {
		for b.Loop() {
			for n := 0; n < 4*benchRows; {
				got := walk(b, c, mib.MustOID("1.3.6.1.6.3"))
				if got < 20 {
					b.Fatalf("%d variables", got)
				}
				n += got
			}
		}
	})
	if s := a.Stats(); s.Losses+s.Abandoned+s.Overflows > 0 {
		b.Errorf("%+v", s)
	}
}

// walkColumns reads columns to their end with all of them in each GETBULK.
func walkColumns(b *testing.B, c *gosnmp.GoSNMP, columns []mib.OID, rows uint32) (n int) {
	b.Helper()
	names := make([]string, len(columns))
	for i, o := range columns {
		names[i] = o.String()
	}
	for {
		p, err := c.GetBulk(names, 0, rows)
		if err != nil || p.Error != gosnmp.NoError {
			b.Fatal(p, err)
		}
		for i, v := range p.Variables {
			name := mib.MustOID(v.Name)
			if v.Type == gosnmp.EndOfMibView || !name.HasPrefix(columns[i%len(columns)]) {
				return n
			}
			n++
			names[i%len(columns)] = v.Name
		}
		if len(p.Variables) == 0 {
			return n
		}
	}
}

// BenchmarkSession is what one request costs this side, without an snmpd: a
// GetNext with four ranges, as a column-parallel walk has it.
func BenchmarkSession(b *testing.B) {
	x := newFixture(b, benchRows)
	a, err := New(Config{Logger: quiet()}, x.tree)
	if err != nil {
		b.Fatal(err)
	}
	s := newSession(a, discard{})
	s.timer = time.NewTimer(time.Hour)
	question := PDU{Type: TypeGetNext, Flags: FlagNetworkOrder, Packet: 1}
	for c := range uint32(4) {
		question.Ranges = append(question.Ranges, Range{Start: cell(c+1, benchRows/2), End: object(5, 1, c+2)})
	}
	wire, err := question.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	h, err := ParseHeader(wire)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.handle(&frame{Header: h, b: wire, at: time.Now()})
	}
}

func BenchmarkCodec(b *testing.B) {
	answer := PDU{Type: TypeResponse, Flags: FlagNetworkOrder}
	for c := range uint32(4) {
		answer.Vars = append(answer.Vars, mib.Variable{Name: cell(c, 1), Value: mib.Text("some value")})
	}
	buf, err := answer.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf, _ = answer.Append(buf[:0])
		}
	})
	b.Run("Decode", func(b *testing.B) {
		var p PDU
		b.ReportAllocs()
		for b.Loop() {
			if err := p.Decode(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// discard is a connection that takes everything and has nothing.
type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error)      { return len(b), nil }
func (discard) SetWriteDeadline(time.Time) error { return nil }
