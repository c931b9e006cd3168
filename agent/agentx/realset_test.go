package agentx

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"simone/mib"
)

// Every type that snmpset knows, every error-status, and all or nothing.
func TestSNMPdSet(t *testing.T) {
	eachOrder(t, func(t *testing.T, d *snmpd, a *Subagent, x *fixture) {
		for i, tt := range []struct{ kind, value, want string }{
			{"i", "-7", "INTEGER: -7"},
			{"s", "changed", `STRING: "changed"`},
			{"o", ".1.3.6.1", "OID: .1.3.6.1"},
			{"a", "127.0.0.9", "IpAddress: 127.0.0.9"},
			{}, // snmpset knows no Counter32
			{"u", "3000000000", "Gauge32: 3000000000"},
			{"t", "100", "Timeticks: (100) 0:00:01.00"},
		} {
			if tt.kind == "" {
				continue
			}
			t.Run("Type_"+tt.kind, func(t *testing.T) {
				name := object(1, uint32(i+1), 0).String()
				out, failed := d.tool(t, "snmpset", "2c", "private", nil, name, tt.kind, tt.value)
				if failed || out != name+" = "+tt.want {
					t.Errorf("set: %s", out)
				}
				if out, _ := d.tool(t, "snmpget", "2c", "public", nil, name); out != name+" = "+tt.want {
					t.Errorf("get: %s", out)
				}
			})
		}
		for status := mib.TooBig; status <= mib.InconsistentName; status++ {
			t.Run(status.String(), func(t *testing.T) {
				name := object(2, uint32(status), 0).String()
				c := d.client(t, "private")
				resp, err := c.Set([]gosnmp.SnmpPDU{{Name: name, Type: gosnmp.Integer, Value: 1}})
				if err != nil {
					t.Fatal(err)
				}
				// undoFailed has index 0 in RFC 3416, section 4.2.5, which
				// net-snmp does not pass on.
				if int(resp.Error) != int(status) || resp.ErrorIndex != 1 {
					t.Errorf("got %v at %d", resp.Error, resp.ErrorIndex)
				}
			})
		}
		for _, tt := range []struct{ name, oid, want string }{
			{"NoHandler", object(77, 0).String(), "notWritable"},
			{"PanicInTest", object(3, 1, 0).String(), "genError"},
			{"PanicInCommit", object(3, 2, 0).String(), "genError"},
			{"CellReadOnly", cell(4, 1).String(), "notWritable"},
			{"CellInconsistentName", cell(1, 0).String(), "inconsistentName"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if out, _ := d.tool(t, "snmpset", "2c", "private", nil, tt.oid, "i", "1"); !strings.Contains(out, tt.want) {
					t.Errorf("got %q, not %s", out, tt.want)
				}
			})
		}
		t.Run("AllOrNothing", func(t *testing.T) {
			good, bad := object(1, 1, 0).String(), object(1, 2, 0).String()
			out, _ := d.tool(t, "snmpset", "2c", "private", nil, good, "i", "99", bad, "i", "99")
			if !strings.Contains(out, "wrongType") || !strings.Contains(out, "Failed object: "+bad) {
				t.Errorf("got %q", out)
			}
			failing := object(2, 14, 0).String()
			out, _ = d.tool(t, "snmpset", "2c", "private", nil, good, "i", "99", failing, "i", "1")
			if !strings.Contains(out, "commitFailed") || !strings.Contains(out, "Failed object: "+failing) {
				t.Errorf("got %q", out)
			}
			if out, _ := d.tool(t, "snmpget", "2c", "public", nil, good); out != good+" = INTEGER: -7" {
				t.Errorf("the good half was written: %s", out)
			}
		})
		t.Run("FiftyRows", func(t *testing.T) {
			var vars []gosnmp.SnmpPDU
			for row := uint32(101); row <= 150; row++ {
				vars = append(vars, gosnmp.SnmpPDU{Name: cell(1, row).String(), Type: gosnmp.Integer, Value: int(row)},
					gosnmp.SnmpPDU{Name: cell(2, row).String(), Type: gosnmp.OctetString, Value: fmt.Sprint("row ", row)},
					gosnmp.SnmpPDU{Name: cell(3, row).String(), Type: gosnmp.Gauge32, Value: uint32(row)})
			}
			before := a.Stats().InTestSets
			resp, err := d.client(t, "private").Set(vars)
			if err != nil || resp.Error != gosnmp.NoError || x.rows.len() != 55 || a.Stats().InTestSets != before+1 {
				t.Errorf("%v %v, %d rows", err, resp, x.rows.len())
			}
			vars[120].Type, vars[120].Value = gosnmp.OctetString, "no number"
			resp, err = d.client(t, "private").Set(vars)
			if err != nil || resp.Error != gosnmp.WrongType || resp.ErrorIndex != 121 {
				t.Errorf("%v %v", err, resp)
			}
		})
		if s := a.Stats(); s.Abandoned != 0 || s.ParseErrs != 0 || s.Losses != 0 {
			t.Errorf("%+v", s)
		}
		x.plain.steps()
		mustBeFree(t, x)
	})
}

// What FACTS has of an snmpd that waits a second and asks again: the same PDU
// comes again, and a commit happens once.
func TestSNMPdRepeatsWhatIsSlow(t *testing.T) {
	d := startSNMPd(t, "agentXTimeout 1", "agentXRetries 5")
	x := newFixture(t, 0)
	a, _ := start(t, Config{Master: d.master(), Ping: 200 * time.Millisecond}, x.tree)
	connected(t, a)
	x.plain.gate, x.plain.got = make(chan struct{}), make(chan struct{}, 100)
	type result struct {
		resp *gosnmp.SnmpPacket
		err  error
	}
	c := d.client(t, "private")
	answered := make(chan result, 1)
	go func() {
		resp, err := c.Set([]gosnmp.SnmpPDU{{Name: number(7).Name.String(), Type: gosnmp.Integer, Value: 7}})
		answered <- result{resp, err}
	}()
	<-x.plain.got
	until(t, "the snmpd asks again", func() bool { return a.Stats().Duplicates >= 2 })
	close(x.plain.gate)
	r := <-answered
	if r.err != nil || r.resp.Error != gosnmp.NoError {
		t.Fatalf("%v %v", r.resp, r.err)
	}
	until(t, "the SET ends", func() bool { return a.Stats().InCleanupSets == 1 })
	checkSteps(t, x, 7, "test", "commit", "cleanup")
	if s := a.Stats(); s.Losses != 0 || s.InCommitSets != 1 || s.Slow == 0 {
		t.Errorf("%+v", s)
	}
}

// With agentXRetries 0 the snmpd gives up, answers genErr and closes; a SET
// that was not committed then never is.
func TestSNMPdGivesUp(t *testing.T) {
	d := startSNMPd(t, "agentXTimeout 1", "agentXRetries 0")
	x := newFixture(t, 0)
	a, _ := start(t, Config{Master: d.master()}, x.tree)
	connected(t, a)
	x.plain.gate, x.plain.got = make(chan struct{}), make(chan struct{}, 100)
	resp, err := d.client(t, "public").Get([]string{number(7).Name.String()})
	if err != nil || resp.Error != gosnmp.GenErr {
		t.Errorf("%v %v", resp, err)
	}
	until(t, "the snmpd closes", func() bool {
		// A handler that is stuck keeps the session from ending; let it go.
		select {
		case x.plain.gate <- struct{}{}:
		default:
		}
		return a.Stats().Connects == 2
	})
	connected(t, a)
	close(x.plain.gate)
	resp, err = d.client(t, "public").Get([]string{number(7).Name.String()})
	if err != nil || resp.Error != gosnmp.NoError {
		t.Errorf("afterwards: %v %v", resp, err)
	}
}
