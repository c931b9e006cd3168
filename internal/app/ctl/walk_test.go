package ctl

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"simone/internal/testbed"
	"simone/mib"
)

const switchRecord = `1.3.6.1.2.1.1.1.0|4|a "switch"\n
1.3.6.1.2.1.1.3.0|67|8640123
1.3.6.1.2.1.1.4.0|4x|00ff
1.3.6.1.2.1.2.2.1.1.1|2|-1
1.3.6.1.2.1.31.1.1.1.6.1|70|18446744073709551615
`

func TestGetAndWalk(t *testing.T) {
	at := playDevices(t, 1, mustRecord(t, "switch", switchRecord))[0].Address
	for name, tt := range map[string]struct {
		args []string
		want string
		code int
	}{
		"Get": {[]string{"get", at, "1.3.6.1.2.1.1.3.0", ".1.3.6.1.2.1.1.9.0", "2.1"}, `.1.3.6.1.2.1.1.3.0 = Timeticks: (8640123) 1 day, 0:00:01.23
.1.3.6.1.2.1.1.9.0 = No Such Object available on this agent at this OID
.2.1 = No Such Object available on this agent at this OID
`, ExitOK},
		"Subtree": {[]string{"walk", at, "1.3.6.1.2.1.1"}, `.1.3.6.1.2.1.1.1.0 = STRING: "a \"switch\"\\n"
.1.3.6.1.2.1.1.3.0 = Timeticks: (8640123) 1 day, 0:00:01.23
.1.3.6.1.2.1.1.4.0 = Hex-STRING: 00 FF 
`, ExitOK},
		"Several": {[]string{"walk", at, "1.3.6.1.2.1.2.2.1.1", "1.3.6.1.2.1.1.3"}, `.1.3.6.1.2.1.2.2.1.1.1 = INTEGER: -1
.1.3.6.1.2.1.1.3.0 = Timeticks: (8640123) 1 day, 0:00:01.23
`, ExitOK},
		"EndOfView": {[]string{"walk", at, "1.3.6.1.2.1.31"}, `.1.3.6.1.2.1.31.1.1.1.6.1 = Counter64: 18446744073709551615
.1.3.6.1.2.1.31.1.1.1.6.1 = No more variables left in this MIB View (It is past the end of the MIB tree)
`, ExitOK},
		"Variable": {[]string{"walk", at, "1.3.6.1.2.1.2.2.1.1.1"}, ".1.3.6.1.2.1.2.2.1.1.1 = INTEGER: -1\n", ExitOK},
		"JSON":     {[]string{"-o", "json", "get", at, "1.3.6.1.2.1.2.2.1.1.1"}, `{"oid":".1.3.6.1.2.1.2.2.1.1.1","type":"INTEGER","value":"INTEGER: -1"}` + "\n", ExitOK},
		"Nobody":   {[]string{"--timeout", "20ms", "--retries", "0", "walk", "127.0.0.77:1"}, "", ExitUnreachable},
		"NoOID":    {[]string{"get", at, "sysUpTime"}, "", ExitUsage},
		"YAML":     {[]string{"-o", "yaml", "walk", at}, "", ExitUsage},
		"NoTarget": {[]string{"walk"}, "", ExitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			r := simonectl(t, tt.args...)
			if ExitCode(r.err) != tt.code || r.stdout != tt.want {
				t.Errorf("%v\n%s\nnot\n%s", r.err, r.stdout, tt.want)
			}
		})
	}
}

// The tools of net-snmp print the same, octet for octet.
func TestWalkPrintsAsSnmpwalk(t *testing.T) {
	if _, err := exec.LookPath("snmpbulkwalk"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("snmpbulkwalk is missing; install the package snmp")
		}
		t.Skip("snmpbulkwalk is not installed (package snmp)")
	}
	persistent := t.TempDir()
	if err := os.Mkdir(filepath.Join(persistent, "cert_indexes"), 0o700); err != nil {
		t.Fatal(err)
	}
	files := append(testbed.Recordings(t), mustRecord(t, "made-up", `1.3.6.1.1|68x|9f78043f8ccccd
1.3.6.1.2|68x|9f79083ff199999999999a
1.3.6.1.3|68x|9f7a02ff00
1.3.6.1.4|68x|9f7b0200ff
1.3.6.1.5|68x|0102
1.3.6.1.6|67|17279999
1.3.6.1.7|67|4294967295
1.3.6.1.8|5|
1.3.6.1.9|4x|0d0a0920
1.3.6.1.10|6|0.0
1.3.6.1.11|4x|80
1.3.6.1.12|4x|000102030405060708090a0b0c0d0e0f10
1.3.6.1.13|68x|9f7804ff800000
1.3.6.1.14|68x|9f78047fc00000
1.3.6.1.15|68x|9f7804ffc00000
1.3.6.1.16|68x|9f79087ff0000000000000
1.3.6.1.17|68x|9f79088000000000000000
1.3.6.1.18|68x|
1.3.6.1.19|4|
1.3.6.1.20|6|
1.3.6.1.21|64x|00000000
1.3.6.1.22.4294967295.2147483648|2|-2147483648
1.0.8802.1|2|3
2.999.3|2|1
1.3.6.1.23|4| spaces  
1.3.6.1.24|4|`+strings.Repeat("long ", 12_000)+`
1.3.6.1.25|4|caf\xe9
`))
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			at := playDevices(t, 1, file)[0].Address
			cmd := exec.Command("snmpbulkwalk", "-v2c", "-c", "public", "-On", "-Cr40", at, ".1")
			cmd.Env = append(os.Environ(), "MIBS=", "SNMPCONFPATH="+persistent, "SNMP_PERSISTENT_DIR="+persistent, "LC_ALL=C")
			want, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			r := simonectl(t, "walk", at, ".1")
			if r.err != nil {
				t.Fatal(r.err)
			}
			got := []byte(r.stdout)
			if bytes.Equal(got, want) {
				return
			}
			a, b := strings.Split(r.stdout, "\n"), strings.Split(string(want), "\n")
			for i := range min(len(a), len(b)) {
				if a[i] != b[i] {
					t.Fatalf("line %d is\n%s\nnot\n%s", i+1, a[i], b[i])
				}
			}
			t.Errorf("%d lines, not %d", len(a), len(b))
		})
	}
}

// Whatever octets a device gives, a line is made of them.
func FuzzAppendValue(f *testing.F) {
	f.Add(byte(mib.TypeOpaque), []byte{0x9f, 0x78, 4, 0, 0, 0, 0})
	f.Add(byte(mib.TypeOctetString), []byte("x\x00"))
	f.Fuzz(func(t *testing.T, kind byte, octets []byte) {
		switch mib.Type(kind) {
		case mib.TypeOpaque, mib.TypeOctetString:
		default:
			return
		}
		line := appendLine(nil, mib.Variable{Name: mib.OID{1, 3}, Value: mib.Value{Type: mib.Type(kind), Bytes: octets}})
		if !bytes.HasPrefix(line, []byte(".1.3 = ")) || line[len(line)-1] != '\n' {
			t.Errorf("%q", line)
		}
	})
}
