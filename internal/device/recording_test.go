package device

import (
	"bytes"
	"compress/gzip"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simone/internal/testbed"
	"simone/mib"
)

func mustRead(tb testing.TB, text string) *Recording {
	tb.Helper()
	r, err := Read("test.snmprec", strings.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestValuesAreReadAsTheyAreWritten(t *testing.T) {
	for _, tt := range []struct {
		line string
		want mib.Value
	}{
		{"1.3.1|2|-2147483648", mib.Integer(math.MinInt32)},
		{"1.3.1|4|", mib.Octets(nil)},
		{"1.3.1|4|a|b = c", mib.Text("a|b = c")},
		{"1.3.1|4x|00ff0A", mib.Octets([]byte{0, 255, 10})},
		{"1.3.1|5|", mib.Value{Type: mib.TypeNull}},
		{"1.3.1|6|0.0", mib.ObjectID(mib.OID{0, 0})},
		{".1.3.1|6|1.3.6.1.4.1.4294967295", mib.ObjectID(mib.OID{1, 3, 6, 1, 4, 1, math.MaxUint32})},
		{"1.3.1|64|192.0.2.7", mib.Value{Type: mib.TypeIPAddress, Bytes: []byte{192, 0, 2, 7}}},
		{"1.3.1|64|J}M}", mib.Value{Type: mib.TypeIPAddress, Bytes: []byte{74, 125, 77, 125}}},
		{"1.3.1|64x|c0000207", mib.Value{Type: mib.TypeIPAddress, Bytes: []byte{192, 0, 2, 7}}},
		{"1.3.1|65|4294967295", mib.Counter32(math.MaxUint32)},
		{"1.3.1|66|7", mib.Gauge(7)},
		{"1.3.1|67|7", mib.Ticks(7)},
		{"1.3.1|68x|9f78043f800000", mib.Value{Type: mib.TypeOpaque, Bytes: []byte{0x9f, 0x78, 4, 0x3f, 0x80, 0, 0}}},
		{"1.3.1|70|18446744073709551615", mib.Counter64(math.MaxUint64)},
		{"1.3.1|2:numeric|min=1,max=2,wrap=1,initial=2", mib.Integer(2)},
		{"1.3.1|66:numeric|min=3,scale=95,function=cos,rate=0.001", mib.Gauge(3)},
		{"1.3.1|70:numeric|rate=0.001", mib.Counter64(0)},
		{"1.3.1|4:writecache|value=Port 1, left", mib.Text("Port 1, left")},
		{"1.3.1|4:notification|hexvalue=00ff", mib.Octets([]byte{0, 255})},
		{"1.3.1|4x:writecache|hexvalue=00ff", mib.Octets([]byte{0, 255})},
		{"1.3.1|64x:writecache|value=c0000207", mib.Value{Type: mib.TypeIPAddress, Bytes: []byte{192, 0, 2, 7}}},
		{"1.3.1|66:numeric|initial=2.75,max=1e3", mib.Gauge(2)},
		{"1.3.1|67|7 ", mib.Ticks(7)},
		{"1.3.1|4| a ", mib.Text(" a ")},
		{"1.3.1|4X|0A", mib.Octets([]byte{10})},
		{" 1.3.1 | 2 | 7", mib.Integer(7)},
		{"\ufeff1.3.1|2|7", mib.Integer(7)},
		{"1.3.1|6|", mib.ObjectID(mib.OID{0, 0})},
		{"1.3.1.4294967295|65|2147483648", mib.Counter32(1 << 31)},
		{"1.3.1|2|1\n \t\n1.3.2|128|\n1.3.3|129|\n2.3|130|", mib.Integer(1)},
		{"1.3.1|2|1\r", mib.Integer(1)},
		{"# says nothing\n\n1.3.1|2|1\n1.3.1|2|2", mib.Integer(2)},
	} {
		t.Run(tt.line, func(t *testing.T) {
			vars := mustRead(t, tt.line).Vars()
			v := vars[0].Value
			if len(vars) != 1 || v.Type != tt.want.Type || v.Int != tt.want.Int || v.Uint != tt.want.Uint ||
				string(v.Bytes) != string(tt.want.Bytes) || !v.OID.Equal(tt.want.OID) {
				t.Errorf("read %#v", vars)
			}
		})
	}
}

func TestBrokenLinesAreRefusedWithTheirPlace(t *testing.T) {
	for _, tt := range []struct{ line, reason string }{
		{"nothing", "no |"},
		{"1.3.1|2", "only one |"},
		{"1.3.x|2|1", `"x" is not a number`},
		{"|2|1", "empty OID"},
		{"1|2|1", "fewer than two parts"},
		{"1.40.1|2|1", "at most 39"},
		{"3.1.1|2|1", "only 0, 1 and 2"},
		{"1.3." + strings.Repeat("1.", 127) + "1|2|1", "130 parts"},
		{"1.3.1||1", "no number of a type"},
		{"1.3.1|3|1", "no type of SNMP"},
		{"1.3.1|300|1", "no number of a type"},
		{"1.3.1|2|", "no INTEGER"},
		{"1.3.1|2|2147483648", "out of range"},
		{"1.3.1|65|-1", "no Counter32"},
		{"1.3.1|70|18446744073709551616", "out of range"},
		{"1.3.1|4x|0", "not hexadecimal"},
		{"1.3.1|5|x", "NULL has no value"},
		{"1.3.1|6|x", "not a number"},
		{"1.3.1|6|1.99", "at most 39"},
		{"1.3.1|64|::1", "no IpAddress"},
		{"1.3.1|64x|0102", "2 octets"},
		{"1.3.1|2:numeric|5", "not KEY=VALUE"},
		{"1.3.1|2:numeric|initial=x", "no INTEGER"},
		{"1.3.1|4:x|hexvalue=0", "not hexadecimal"},
		{"1.3.1|4|" + strings.Repeat("x", maxLine), "longer than"},
		{"1.3.1|4|" + strings.Repeat("x", 65_500), "fits no datagram"},
		{"1.3.4294967296|2|1", "from 0 to 4294967295"},
		{"1.3.1|66|-7", "from 0 to 4294967295"},
		{"1.3.1|2x|07", "only 4, 64 and 68"},
		{"1.3.1|:multiplex|dir=x", "variation multiplex is of a subtree"},
		{".1.3.6.1.2.1.1.1.0 = STRING: \"Linux\"", "snmpwalk"},
		{"1.3.6.1.2.1.1.1.0, OctetString, Linux", "sapwalk"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			_, err := Read("some.snmprec", strings.NewReader("1.3.6.1.2.1.1.3.0|67|1\n"+tt.line+"\n"))
			line, ok := errors.AsType[*LineError](err)
			if !ok || line.File != "some.snmprec" || line.Line != 2 || !strings.Contains(err.Error(), tt.reason) ||
				!strings.HasPrefix(err.Error(), "some.snmprec:2: ") {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := Read("empty", strings.NewReader("# nothing\n")); err == nil {
		t.Error("nothing was taken for a recording")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file was opened")
	}
}

// A file is read as it is packed, whatever it is called.
func TestPackedRecordings(t *testing.T) {
	const text = "1.3.1|2|7\n"
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, data, err string
	}{
		{"a.snmprec", text, ""},
		{"a.snmprec.bz2", text, ""},
		{"a.snmprec.gz", gz.String(), ""},
		{"a.bz2", gz.String(), ""},
		{"a", gz.String(), ""},
		{"a.gz", gz.String()[:gz.Len()-9], "copy it again"},
		{"a.gz", "\x1f\x8bnothing of the kind", "gzip"},
		{"a.bz2", "BZhnothing", "bzip2"},
		{"a.xz", "\xfd7zXZ\x00...", "unxz"},
		{"a.zst", "\x28\xb5\x2f\xfd...", "unzstd"},
		{"a.zip", "PK\x03\x04...", "unzip"},
		{"a.snmprec", "", "nothing recorded"},
	} {
		file := filepath.Join(t.TempDir(), tt.name)
		if err := os.WriteFile(file, []byte(tt.data), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(file)
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), file) {
				t.Errorf("%s: error %v, without %q", tt.name, err, tt.err)
			}
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case r.Len() != 1 || r.Name != "a":
			t.Errorf("%s: %d variables of %q", tt.name, r.Len(), r.Name)
		}
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
}

func TestRecordingIsWalkedInOrder(t *testing.T) {
	r := mustRead(t, "1.3.6.1.2.2.0|2|3\n1.3.6.1.2.1.0|2|1\n1.3.6.1.2.1.10|2|2\n")
	at := mib.OID{1, 3}
	for i := range 3 {
		v, ok := r.Next(at)
		if !ok || v.Value.Int != int64(i+1) {
			t.Fatalf("after %v comes %v", at, v)
		}
		at = v.Name
	}
	if v, ok := r.Next(at); ok {
		t.Errorf("after the last comes %v", v)
	}
	for name, want := range map[string]mib.Type{
		"1.3.6.1.2.1.10": mib.TypeInteger,
		"1.3.6.1.2.1.5":  mib.TypeNoSuchInstance,
		"1.3.6.1.2.2.7":  mib.TypeNoSuchInstance,
		"1.3.6.1.3.1":    mib.TypeNoSuchObject,
		"2.3":            mib.TypeNoSuchObject,
	} {
		if v := r.Get(mib.MustOID(name)); v.Type != want {
			t.Errorf("%s is %v, not %v", name, v.Type, want)
		}
	}
}

// What is read comes out in order, each name once, and can be carried by BER.
func FuzzRead(f *testing.F) {
	f.Add("1.3.6.1.2.1.1.3.0|67|1\n1.3.1|4x|00ff\n")
	f.Add("# x\n1.3.1|2:numeric|min=1,initial=2\n1.3.1|64|192.0.2.1\r\n")
	f.Add("1.3.1|68x|9f78043f800000\n1.3.1|6|0.0")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Read("fuzzed", strings.NewReader(text))
		if err != nil {
			return
		}
		at := mib.OID{}
		for _, v := range r.Vars() {
			if v.Name.Compare(at) <= 0 {
				t.Fatalf("%v after %v", v.Name, at)
			}
			at = v.Name
			mustCarry(t, v)
		}
	})
}

func TestRealRecordingsAreRead(t *testing.T) {
	for _, file := range testbed.Recordings(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r, err := Open(file)
			if err != nil {
				t.Fatal(err)
			}
			if r.Len() < 100 || strings.Contains(r.Name, ".") && strings.HasSuffix(r.Name, "bz2") {
				t.Errorf("%s has %d variables", r.Name, r.Len())
			}
			for _, v := range r.Vars() {
				mustCarry(t, v)
			}
		})
	}
}
