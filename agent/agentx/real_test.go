package agentx

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"simone/mib"
)

// shown is how the tools print values().
func shown() []string {
	return []string{
		"INTEGER: -42",
		`STRING: "hello"`,
		"OID: .1.3.6.1.4.1.8072",
		"IpAddress: 192.0.2.7",
		"Counter32: 4294967295",
		"Gauge32: 2147483648",
		"Timeticks: (4711) 0:00:47.11",
		"Counter64: 18446744073709551615",
		"Opaque: Float: 1.000000",
		"OID: .0.0",
		`""`,
	}
}

// eachOrder runs a test with an snmpd and a session in each byte order.
func eachOrder(t *testing.T, f func(t *testing.T, d *snmpd, a *Subagent, x *fixture)) {
	d := startSNMPd(t)
	for _, little := range []bool{false, true} {
		t.Run(fmt.Sprintf("LittleEndian=%v", little), func(t *testing.T) {
			x := newFixture(t, 5)
			a, err := New(Config{Master: d.master(), Logger: quiet()}, x.tree)
			if err != nil {
				t.Fatal(err)
			}
			a.little = little
			run(t, a)
			connected(t, a)
			f(t, d, a, x)
		})
	}
}

func TestSNMPdGet(t *testing.T) {
	eachOrder(t, func(t *testing.T, d *snmpd, a *Subagent, _ *fixture) {
		for _, version := range []string{"1", "2c"} {
			for i, want := range shown() {
				t.Run(fmt.Sprintf("v%s/%d", version, i+1), func(t *testing.T) {
					name := object(1, uint32(i+1), 0).String()
					out, failed := d.tool(t, "snmpget", version, "public", nil, name)
					if version == "1" && values()[i].Type == mib.TypeCounter64 {
						if !failed || !strings.Contains(out, "noSuchName") {
							t.Errorf("v1 shows a Counter64: %s", out)
						}
						return
					}
					if failed || out != name+" = "+want {
						t.Errorf("got %q, not %q", out, want)
					}
				})
			}
		}
		for _, tt := range []struct{ name, oid, want string }{
			{"NoSuchInstance", object(1, 1, 1).String(), "No Such Instance"},
			{"NoSuchObject", object(77, 0).String(), "No Such Object"},
			{"Panic", object(3, 1, 0).String(), "genError"},
			{"Cell", cell(2, 3).String(), `STRING: "node-3.example.net"`},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if out, _ := d.tool(t, "snmpget", "2c", "public", nil, tt.oid); !strings.Contains(out, tt.want) {
					t.Errorf("got %q, not %q", out, tt.want)
				}
			})
		}
		t.Run("Several", func(t *testing.T) {
			var names, want []string
			for i, v := range shown() {
				names = append(names, object(1, uint32(i+1), 0).String())
				want = append(want, names[i]+" = "+v)
			}
			if out, failed := d.tool(t, "snmpget", "2c", "public", nil, names...); failed || out != strings.Join(want, "\n") {
				t.Errorf("got\n%s", out)
			}
		})
		if _, ok := a.Uptime(); !ok {
			t.Error("the snmpd's uptime is not known")
		}
	})
}

func TestSNMPdNextAndBulk(t *testing.T) {
	eachOrder(t, func(t *testing.T, d *snmpd, a *Subagent, _ *fixture) {
		t.Run("GetNext", func(t *testing.T) {
			out, _ := d.tool(t, "snmpgetnext", "2c", "public", nil, object(1).String(), object(1, 1, 0).String())
			want := object(1, 1, 0).String() + " = " + shown()[0] + "\n" + object(1, 2, 0).String() + " = " + shown()[1]
			if out != want {
				t.Errorf("got %q, not %q", out, want)
			}
		})
		t.Run("GetNextSkipsCounter64InV1", func(t *testing.T) {
			out, _ := d.tool(t, "snmpgetnext", "1", "public", nil, object(1, 7, 0).String())
			if want := object(1, 9, 0).String() + " = " + shown()[8]; out != want {
				t.Errorf("got %q, not %q", out, want)
			}
		})
		t.Run("BulkGet", func(t *testing.T) {
			out, _ := d.tool(t, "snmpbulkget", "2c", "public", []string{"-Cn1", "-Cr3"}, cell(4, 4).String(), object(1).String(), object(2).String())
			want := []string{cell(4, 5).String() + " = Counter64: " + strconv.FormatUint(5<<33, 10)}
			for i := range uint32(3) {
				want = append(want, object(1, i+1, 0).String()+" = "+shown()[i],
					object(2, i+1, 0).String()+" = INTEGER: "+strconv.Itoa(int(i+1)))
			}
			if out != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nnot\n%s", out, strings.Join(want, "\n"))
			}
		})
		t.Run("WalkOfAllIsTheSameEachWay", func(t *testing.T) {
			bulk, failed := d.tool(t, "snmpbulkwalk", "2c", "public", nil, playpen().String())
			walk, failed2 := d.tool(t, "snmpwalk", "2c", "public", nil, playpen().String())
			if failed || failed2 || bulk != walk {
				t.Errorf("bulk walk:\n%s\nwalk:\n%s", bulk, walk)
			}
			if n := strings.Count(walk, "\n."+strings.TrimPrefix(playpen().String(), ".")) + 1; n != len(values())+18+5+4*5 {
				t.Errorf("%d variables", n)
			}
			all, err := d.client(t, "public").BulkWalkAll(playpen().String())
			if err != nil || len(all) != len(values())+18+5+4*5 {
				t.Errorf("gosnmp: %d variables, %v", len(all), err)
			}
		})
		if a.Stats().InGetNexts == 0 || a.Stats().InGets != 0 {
			t.Errorf("%+v", a.Stats())
		}
	})
}
