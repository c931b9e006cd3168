package frontends

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/gosnmp/gosnmp"

	"simone/mib"
)

// request is what both front ends are asked, by gosnmp and by the tools of
// net-snmp.
type request struct {
	name    string
	verb    string // get, next, bulk, walk, bulkwalk
	version string // 1, 2c, 3; empty is 2c
	who     string // empty is public, or manager with version 3
	names   []mib.OID
	// of GETBULK
	nonRepeaters   int
	maxRepetitions int
	// apart says why snmpd's answer is another one; it then begins as the
	// responder's does, or snmpd says what it has to say.
	apart, snmpd string
	// says is what the answers have to say, in part, so that they are not
	// alike in being wrong.
	says string
}

func (r request) complete() request {
	if r.version == "" {
		r.version = "2c"
	}
	switch {
	case r.who != "":
	case r.version == "3":
		r.who = "manager"
	default:
		r.who = "public"
	}
	return r
}

func goVersion(version string) gosnmp.SnmpVersion {
	return map[string]gosnmp.SnmpVersion{"1": gosnmp.Version1, "2c": gosnmp.Version2c, "3": gosnmp.Version3}[version]
}

// byGoSNMP asks with gosnmp and gives the answer in words.
func (r request) byGoSNMP(tb testing.TB, f *front) string {
	tb.Helper()
	c := client(tb, f.addr, goVersion(r.version), r.who)
	var names []string
	for _, n := range r.names {
		names = append(names, n.String())
	}
	var p *gosnmp.SnmpPacket
	var err error
	switch r.verb {
	case "get":
		p, err = c.Get(names)
	case "next":
		p, err = c.GetNext(names)
	case "bulk":
		p, err = c.GetBulk(names, uint8(r.nonRepeaters), uint32(r.maxRepetitions))
	case "walk", "bulkwalk":
		walk := c.WalkAll
		if r.verb == "bulkwalk" {
			walk = c.BulkWalkAll
		}
		p = new(gosnmp.SnmpPacket)
		p.Variables, err = walk(names[0])
	}
	if err != nil {
		tb.Fatalf("%s: %v", f.name, err)
	}
	return answer(p)
}

// answer says what an answer has, times and ages left out.
func answer(p *gosnmp.SnmpPacket) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v at %d\n", mib.ErrorStatus(p.Error), p.ErrorIndex)
	if p.Error != gosnmp.NoError {
		return b.String() // what follows repeats the request
	}
	for _, v := range p.Variables {
		name := mib.MustOID(v.Name)
		if varies(name) && v.Value != nil {
			fmt.Fprintf(&b, "%v %v\n", name, v.Type)
			continue
		}
		fmt.Fprintf(&b, "%v %v %v\n", name, v.Type, v.Value)
	}
	return b.String()
}

// byTool asks with a tool of net-snmp and gives its words.
func (r request) byTool(tb testing.TB, f *front) string {
	tb.Helper()
	name := map[string]string{"get": "snmpget", "next": "snmpgetnext", "bulk": "snmpbulkget", "walk": "snmpwalk", "bulkwalk": "snmpbulkwalk"}[r.verb]
	var options, names []string
	if r.verb == "bulk" {
		options = []string{"-Cn" + strconv.Itoa(r.nonRepeaters), "-Cr" + strconv.Itoa(r.maxRepetitions)}
	}
	for _, n := range r.names {
		names = append(names, n.String())
	}
	lines := strings.Split(f.tool(tb, name, r.version, r.who, options, names), "\n")
	kept := lines[:0]
	for _, l := range lines {
		name, value, ok := strings.Cut(l, " = ")
		if !ok && len(kept) > 0 && strings.HasPrefix(kept[len(kept)-1], "~") {
			continue // a long value that varies goes on
		}
		if o, err := mib.ParseOID(name); ok && err == nil && varies(o) {
			kind, _, _ := strings.Cut(value, ":")
			l = "~" + name + " = " + kind
		}
		kept = append(kept, l)
	}
	return strings.Join(kept, "\n")
}

// set does a SET with gosnmp. The answer to one that passed repeats what was
// set.
func set(tb testing.TB, f *front, version, who string, vars []mib.Variable) string {
	tb.Helper()
	p, err := client(tb, f.addr, goVersion(version), who).Set(pdus(vars))
	if err != nil {
		tb.Fatalf("%s: %v", f.name, err)
	}
	return answer(p)
}

// pdus are variables as gosnmp wants them.
func pdus(vars []mib.Variable) []gosnmp.SnmpPDU {
	var out []gosnmp.SnmpPDU
	for _, v := range vars {
		p := gosnmp.SnmpPDU{Name: v.Name.String()}
		switch v.Value.Type {
		case mib.TypeInteger:
			p.Type, p.Value = gosnmp.Integer, int(v.Value.Int)
		case mib.TypeOctetString:
			p.Type, p.Value = gosnmp.OctetString, v.Value.Bytes
		case mib.TypeObjectID:
			p.Type, p.Value = gosnmp.ObjectIdentifier, v.Value.OID.String()
		case mib.TypeIPAddress:
			p.Type, p.Value = gosnmp.IPAddress, v.Value.String()
		case mib.TypeCounter32:
			p.Type, p.Value = gosnmp.Counter32, uint32(v.Value.Uint)
		case mib.TypeGauge32:
			p.Type, p.Value = gosnmp.Gauge32, uint32(v.Value.Uint)
		case mib.TypeTimeTicks:
			p.Type, p.Value = gosnmp.TimeTicks, uint32(v.Value.Uint)
		case mib.TypeCounter64:
			p.Type, p.Value = gosnmp.Counter64, v.Value.Uint
		}
		out = append(out, p)
	}
	return out
}

// setByTool does a SET with snmpset; ok is false if it cannot carry it.
func setByTool(tb testing.TB, f *front, version, who string, vars []mib.Variable) (out string, ok bool) {
	tb.Helper()
	var args []string
	for _, v := range vars {
		kind, text := "", v.Value.String()
		switch v.Value.Type {
		case mib.TypeInteger:
			kind = "i"
		case mib.TypeOctetString:
			kind, text = "x", hex.EncodeToString(v.Value.Bytes)
		case mib.TypeObjectID:
			kind = "o"
		case mib.TypeIPAddress:
			kind = "a"
		case mib.TypeGauge32:
			kind = "u"
		case mib.TypeTimeTicks:
			kind, text = "t", strconv.FormatUint(v.Value.Uint, 10)
		}
		if kind == "" || kind == "x" && len(v.Value.Bytes) == 0 {
			return "", false
		}
		args = append(args, v.Name.String(), kind, text)
	}
	if len(vars) > 128 {
		return "", false // which is where snmpset stops
	}
	return f.tool(tb, "snmpset", version, who, nil, args), true
}
