package agentx

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"simone/mib"
)

// mustHex reads octets with blanks and line breaks between them.
func mustHex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// vector is a PDU beside its octets as RFC 2741 draws them, in network byte
// order.
type vector struct {
	name string
	pdu  PDU
	wire string
}

func vectors() []vector {
	const net = FlagNetworkOrder
	system := mib.MustOID("1.3.6.1.2.1.1")
	return []vector{
		{"6.2.1/Open", PDU{Type: TypeOpen, Flags: net, Packet: 1, Timeout: 30, ID: mib.MustOID("1.3.6.1.4.1.8072"), Descr: []byte("simone")}, `
			01 01 10 00  00000000 00000000 00000001 0000001c
			1e 000000  02 04 00 00  00000001 00001f88
			00000006 73 69 6d 6f 6e 65 00 00`},
		{"6.2.2/Close", PDU{Type: TypeClose, Flags: net, Session: 7, Packet: 2, Reason: ReasonShutdown}, `
			01 02 10 00  00000007 00000000 00000002 00000004
			05 000000`},
		{"6.2.3/Register", PDU{Type: TypeRegister, Flags: net, Session: 7, Packet: 3, Timeout: 5, Priority: 127, ID: system}, `
			01 03 10 00  00000007 00000000 00000003 00000010
			05 7f 00 00  02 02 00 00  00000001 00000001`},
		{"6.2.3/RegisterRange", PDU{Type: TypeRegister, Flags: net | FlagInstance, Session: 7, Packet: 3, Priority: 10, RangeSubID: 7,
			ID: system, UpperBound: 22}, `
			01 03 11 00  00000007 00000000 00000003 00000014
			00 0a 07 00  02 02 00 00  00000001 00000001  00000016`},
		{"6.2.3/RegisterInContext", PDU{Type: TypeRegister, Flags: net | FlagContext, Session: 7, Packet: 3, Priority: 127, Context: []byte("red"), ID: system}, `
			01 03 18 00  00000007 00000000 00000003 00000018
			00000003 72 65 64 00
			00 7f 00 00  02 02 00 00  00000001 00000001`},
		{"6.2.4/Unregister", PDU{Type: TypeUnregister, Flags: net, Session: 7, Packet: 4, Priority: 127, ID: system}, `
			01 04 10 00  00000007 00000000 00000004 00000010
			00 7f 00 00  02 02 00 00  00000001 00000001`},
		{"6.2.5/Get", PDU{Type: TypeGet, Flags: net, Session: 7, Transaction: 9, Packet: 5, Ranges: []Range{
			{Start: mib.MustOID("1.3.6.1.2.1.1.3.0")}, {Start: mib.MustOID("1.0.8802")}}}, `
			01 05 10 00  00000007 00000009 00000005 0000002c
			04 02 00 00  00000001 00000001 00000003 00000000  00 00 00 00
			03 00 00 00  00000001 00000000 00002262  00 00 00 00`},
		{"6.2.6/GetNext", PDU{Type: TypeGetNext, Flags: net, Session: 7, Transaction: 9, Packet: 5, Ranges: []Range{
			{Start: system, Include: true, End: mib.MustOID("1.3.6.1.2.1.2")}}}, `
			01 06 10 00  00000007 00000009 00000005 00000018
			02 02 01 00  00000001 00000001  02 02 00 00 00000001 00000002`},
		{"6.2.7/GetBulk", PDU{Type: TypeGetBulk, Flags: net, Session: 7, Transaction: 9, Packet: 5, NonRepeaters: 1, MaxRepetitions: 300, Ranges: []Range{
			{Start: mib.MustOID("1.3.6.1.2")}}}, `
			01 07 10 00  00000007 00000009 00000005 0000000c
			0001 012c  00 02 00 00  00 00 00 00`},
		{"6.2.8/TestSet", PDU{Type: TypeTestSet, Flags: net, Session: 7, Transaction: 9, Packet: 5, Vars: []mib.Variable{
			{Name: mib.MustOID("1.3.6.1.2.1"), Value: mib.Integer(-2)}}}, `
			01 08 10 00  00000007 00000009 00000005 00000010
			0002 0000  01 02 00 00 00000001  fffffffe`},
		{"6.2.9/CommitSet", PDU{Type: TypeCommitSet, Flags: net, Session: 7, Transaction: 9, Packet: 5}, `
			01 09 10 00  00000007 00000009 00000005 00000000`},
		{"6.2.9/UndoSet", PDU{Type: TypeUndoSet, Flags: net, Session: 7, Transaction: 9, Packet: 5}, `
			01 0a 10 00  00000007 00000009 00000005 00000000`},
		{"6.2.9/CleanupSet", PDU{Type: TypeCleanupSet, Flags: net, Session: 7, Transaction: 9, Packet: 5}, `
			01 0b 10 00  00000007 00000009 00000005 00000000`},
		{"6.2.10/Notify", PDU{Type: TypeNotify, Flags: net, Session: 7, Packet: 5, Vars: []mib.Variable{
			{Name: mib.MustOID("1.3.6.1.6.3.1.1.4.1.0"), Value: mib.ObjectID(mib.MustOID("1.3.6.1.6.3"))}}}, `
			01 0c 10 00  00000007 00000000 00000005 00000028
			0006 0000  06 06 00 00 00000003 00000001 00000001 00000004 00000001 00000000  01 06 00 00 00000003`},
		{"6.2.11/Ping", PDU{Type: TypePing, Flags: net, Session: 7, Packet: 5}, `
			01 0d 10 00  00000007 00000000 00000005 00000000`},
		{"6.2.11/PingInContext", PDU{Type: TypePing, Flags: net | FlagContext, Session: 7, Packet: 5, Context: []byte("blue")}, `
			01 0d 18 00  00000007 00000000 00000005 00000008
			00000004 62 6c 75 65`},
		{"6.2.12/IndexAllocate", PDU{Type: TypeIndexAllocate, Flags: net | FlagAnyIndex, Session: 7, Packet: 5, Vars: []mib.Variable{
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Integer(0)}}}, `
			01 0e 14 00  00000007 00000000 00000005 0000000c
			0002 0000  00 02 00 00  00000000`},
		{"6.2.13/IndexDeallocate", PDU{Type: TypeIndexDeallocate, Flags: net, Session: 7, Packet: 5, Vars: []mib.Variable{
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Integer(5)}}}, `
			01 0f 10 00  00000007 00000000 00000005 0000000c
			0002 0000  00 02 00 00  00000005`},
		{"6.2.14/AddAgentCaps", PDU{Type: TypeAddAgentCaps, Flags: net, Session: 7, Packet: 5, ID: mib.MustOID("1.3.6.1.4"), Descr: []byte("MIB")}, `
			01 10 10 00  00000007 00000000 00000005 0000000c
			00 04 00 00  00000003 4d 49 42 00`},
		{"6.2.15/RemoveAgentCaps", PDU{Type: TypeRemoveAgentCaps, Flags: net, Session: 7, Packet: 5, ID: mib.MustOID("1.3.6.1.4")}, `
			01 11 10 00  00000007 00000000 00000005 00000004
			00 04 00 00`},
		{"6.2.16/Response", PDU{Type: TypeResponse, Flags: net, Session: 7, Transaction: 9, Packet: 5, Uptime: 4711}, `
			01 12 10 00  00000007 00000009 00000005 00000008
			00001267  0000 0000`},
		{"6.2.16/ResponseWithError", PDU{Type: TypeResponse, Flags: net, Session: 7, Transaction: 9, Packet: 5, Error: CodeDuplicateRegistration, Index: 2}, `
			01 12 10 00  00000007 00000009 00000005 00000008
			00000000  0107 0002`},
		{"5.4/VarBinds", PDU{Type: TypeResponse, Flags: net, Session: 7, Packet: 5, Vars: []mib.Variable{
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Text("abcde")},
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Counter64(1<<32 + 2)},
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.ObjectID(mib.OID{0, 0})},
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Value{Type: mib.TypeIPAddress, Bytes: []byte{192, 0, 2, 1}}},
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Value{Type: mib.TypeNull}},
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Counter32(1)},
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Gauge(2)},
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Ticks(3)},
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Value{Type: mib.TypeOpaque, Bytes: []byte{1}}},
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Value{Type: mib.TypeNoSuchObject}},
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Value{Type: mib.TypeNoSuchInstance}},
			{Name: mib.MustOID("1.3.6.1.2"), Value: mib.Value{Type: mib.TypeEndOfMIBView}},
		}}, `
			01 12 10 00  00000007 00000000 00000005 0000009c
			00000000  0000 0000
			0004 0000  00 02 00 00  00000005 61 62 63 64 65 00 00 00
			0046 0000  00 02 00 00  00000001 00000002
			0006 0000  00 02 00 00  00 00 00 00
			0040 0000  00 02 00 00  00000004 c0 00 02 01
			0005 0000  00 02 00 00
			0041 0000  00 02 00 00  00000001
			0042 0000  00 02 00 00  00000002
			0043 0000  00 02 00 00  00000003
			0044 0000  00 02 00 00  00000001 01 00 00 00
			0080 0000  00 02 00 00
			0081 0000  00 02 00 00
			0082 0000  00 02 00 00`},
		// The prefix stands for 1.3.6.1.x with x from 1 to 255 (5.1).
		{"5.1/ObjectIdentifiers", PDU{Type: TypeGet, Flags: net, Ranges: []Range{
			{Start: mib.MustOID("1.3.6.1.255.9")}, {Start: mib.MustOID("1.3.6.1.256")}, {Start: mib.MustOID("1.3.6.1.0")}, {Start: mib.MustOID("1.3.6.1")}}}, `
			01 05 10 00  00000000 00000000 00000000 0000005c
			01 ff 00 00  00000009  00000000
			05 00 00 00  00000001 00000003 00000006 00000001 00000100  00000000
			05 00 00 00  00000001 00000003 00000006 00000001 00000000  00000000
			04 00 00 00  00000001 00000003 00000006 00000001  00000000`},
	}
}

// tidy makes PDUs comparable: no arena, and nil for what is empty.
func tidy(p *PDU) PDU {
	q := *p
	q.arena = nil
	q.Vars = p.Detach()
	empty := func(o mib.OID) mib.OID {
		if len(o) == 0 {
			return nil
		}
		return o
	}
	for i := range q.Vars {
		q.Vars[i].Name = empty(q.Vars[i].Name)
		if len(q.Vars[i].Value.Bytes) == 0 {
			q.Vars[i].Value.Bytes = nil
		}
	}
	if len(q.Vars) == 0 {
		q.Vars = nil
	}
	q.Ranges = nil
	for _, r := range p.Ranges {
		q.Ranges = append(q.Ranges, Range{empty(r.Start), r.Include, empty(r.End)})
	}
	q.ID = empty(q.ID)
	if len(q.Descr) == 0 {
		q.Descr = nil
	}
	return q
}

// RFC 2741, sections 5 and 6.
func TestCodecAgainstRFC2741(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			wire := mustHex(t, v.wire)
			got, err := v.pdu.Append(nil)
			if err != nil || !bytes.Equal(got, wire) {
				t.Errorf("encoded as %x, %v; not %x", got, err, wire)
			}
			var p PDU
			if err := p.Decode(wire); err != nil {
				t.Fatal(err)
			}
			if got, want := tidy(&p), tidy(&v.pdu); !reflect.DeepEqual(got, want) {
				t.Errorf("decoded as\n%+v, not\n%+v", got, want)
			}
		})
	}
}

// RFC 2741, section 6.1: h.flags tell the byte order of all the rest.
func TestCodecInBothByteOrders(t *testing.T) {
	var p PDU // used again, as a session does
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			big, err := v.pdu.Append([]byte("before"))
			if err != nil || string(big[:6]) != "before" {
				t.Fatalf("%x, %v", big, err)
			}
			turned := v.pdu
			turned.Flags &^= FlagNetworkOrder
			little, err := turned.Append(nil)
			if err != nil || bytes.Equal(little, big[6:]) || len(little) != len(big)-6 {
				t.Fatalf("%x, %v", little, err)
			}
			if err := p.Decode(little); err != nil {
				t.Fatal(err)
			}
			if got, want := tidy(&p), tidy(&turned); !reflect.DeepEqual(got, want) {
				t.Errorf("decoded as\n%+v, not\n%+v", got, want)
			}
		})
	}
}

// A PDU cut off anywhere, or with any length in it changed, is an error and
// does not make the decoder reach beyond it.
func TestDecodeRefusesWrongLengths(t *testing.T) {
	for _, v := range vectors() {
		wire := mustHex(t, v.wire)
		t.Run(v.name+"/CutOff", func(t *testing.T) {
			for n := range wire {
				var p PDU
				cut := bytes.Clone(wire[:n])
				if err := p.Decode(cut); err == nil {
					t.Errorf("%d of %d octets pass", n, len(wire))
				}
				if n <= HeaderSize {
					continue
				}
				// The same with a header that agrees.
				cut[18], cut[19] = byte((n-HeaderSize)>>8), byte(n-HeaderSize)
				if err := p.Decode(cut); err != nil {
					var syntax *SyntaxError
					if !errors.As(err, &syntax) || syntax.Offset > n {
						t.Errorf("%d octets: %v", n, err)
					}
				} else if back, err := p.Append(nil); err != nil || len(back) != n {
					t.Errorf("%d octets come back as %x, %v", n, back, err)
				}
			}
		})
	}
	huge := strings.Repeat("ff", 4)
	header := func(kind string, length string) string {
		return "01" + kind + "1000 00000007 00000009 00000005" + length
	}
	for _, tt := range []struct{ name, wire, want string }{
		{"Empty", "", "a header has 20 octets"},
		{"Version", "02" + "0510 00 00000007 00000009 00000005 00000000", "version 2; only 1 is known"},
		{"PayloadTooLong", header("0d", "00000004"), "a payload of 4 octets is announced, 0 are there"},
		{"PayloadHuge", header("0d", "fffffffc"), "is announced"},
		{"PayloadOdd", header("0d", "00000003") + "000000", "no multiple of 4"},
		{"PayloadTooShort", header("0d", "00000000") + "00000000", "0 octets is announced, 4 are there"},
		{"Rest", header("0d", "00000004") + "00000000", "4 octets too many after Ping"},
		{"UnknownType", header("13", "00000000"), "there is no PDU type 19"},
		{"NoType", header("00", "00000000"), "there is no PDU type 0"},
		{"StringHuge", header("01", "0000000c") + "00000000 00000000" + huge, "o.descr of 4294967295 octets, of which 0 are there"},
		{"StringWithoutPadding", header("01", "00000010") + "00000000 00000000 00000005 61626364", "o.descr of 5 octets, of which 4 are there"},
		{"OIDTooLong", header("05", "00000008") + "ff000000 00000000", "the start of a range has 255 parts; at most 128"},
		{"OIDTooLongWithPrefix", header("05", "00000008") + "7c010000 00000000", "the start of a range has 129 parts; at most 128"},
		{"OIDCutOff", header("05", "00000008") + "02000000 00000001", "it ends within the start of a range"},
		{"RangeWithoutEnd", header("05", "00000004") + "00020000", "it ends within the end of a range"},
		{"TypeUnknown", header("08", "00000008") + "00470000 00020000", "type 0x47 is no type of SNMP"},
		{"TypeWide", header("08", "00000008") + "01020000 00020000", "258 is no type of SNMP"},
		{"IPAddressOf16", header("08", "0000001c") + "00400000 00020000 00000010" + strings.Repeat("00", 16), "an IpAddress of 16 octets, not 4"},
		{"Counter64CutOff", header("08", "0000000c") + "00460000 00020000 00000001", "it ends within a Counter64"},
		{"RangePartOutside", header("03", "0000000c") + "007f0600 00020000 00000009", "part 6 of the subtree is a range, and it has 5"},
		{"ContextCutOff", "01051800 00000007 00000009 00000005 00000004 00000004", "the context of 4 octets, of which 0 are there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p PDU
			err := p.Decode(mustHex(t, tt.wire))
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, not %q", err, tt.want)
			}
		})
	}
}

// What SNMP cannot carry is refused before it is on the wire, and nothing of
// it is left behind.
func TestAppendRefuses(t *testing.T) {
	long := make(mib.OID, mib.MaxOIDLen+1)
	variable := func(v mib.Value) PDU {
		return PDU{Type: TypeResponse, Vars: []mib.Variable{{Name: mib.MustOID("1.3"), Value: mib.Integer(1)}, {Name: mib.MustOID("1.3"), Value: v}}}
	}
	for _, tt := range []struct {
		name string
		pdu  PDU
		want string
	}{
		{"NoType", PDU{}, "there is no such PDU"},
		{"Name", PDU{Type: TypeTestSet, Vars: []mib.Variable{{Name: long}}}, "variable 1: OID of 129 parts"},
		{"Subtree", PDU{Type: TypeRegister, ID: long}, "OID of 129 parts"},
		{"RangePart", PDU{Type: TypeRegister, ID: mib.MustOID("1.3.6"), RangeSubID: 4}, "part 4"},
		{"Start", PDU{Type: TypeGet, Ranges: []Range{{Start: long}}}, "OID of 129 parts"},
		{"End", PDU{Type: TypeGet, Ranges: []Range{{End: long}}}, "OID of 129 parts"},
		{"OIDValue", variable(mib.ObjectID(long)), "variable 2: OID of 129 parts"},
		{"OIDValueNotOfBER", variable(mib.ObjectID(mib.OID{3, 1})), "begins with 3"},
		{"OIDValueNotOfBER2", variable(mib.ObjectID(mib.OID{1, 40})), "at most 39"},
		{"Integer", variable(mib.Value{Type: mib.TypeInteger, Int: 1 << 31}), "variable 2: INTEGER 2147483648 does not fit"},
		{"Gauge", variable(mib.Value{Type: mib.TypeGauge32, Uint: 1 << 32}), "does not fit 32 bits"},
		{"IPAddress", variable(mib.Value{Type: mib.TypeIPAddress, Bytes: make([]byte, 16)}), "IpAddress of 16 octets"},
		{"Type", variable(mib.Value{Type: 0x47}), "no type of SNMP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.pdu.Append([]byte("before"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || string(b) != "before" {
				t.Errorf("got %q, %v; not %q", b, err, tt.want)
			}
		})
	}
}

func TestDetachKeepsNothingOfTheBuffer(t *testing.T) {
	for _, v := range vectors() {
		wire := mustHex(t, v.wire)
		var p PDU
		if err := p.Decode(wire); err != nil {
			t.Fatal(err)
		}
		kept := p.Detach()
		want := fmt.Sprint(kept)
		for i := range wire {
			wire[i] ^= 0xff
		}
		for i := range p.arena {
			p.arena[i]++
		}
		if got := fmt.Sprint(kept); got != want {
			t.Errorf("%s: %s became %s", v.name, want, got)
		}
	}
}

// A row of four columns, as it goes by for each step of a walk.
func TestCodecDoesNotAllocate(t *testing.T) {
	answer := PDU{Type: TypeResponse, Flags: FlagNetworkOrder}
	question := PDU{Type: TypeGetNext, Flags: FlagNetworkOrder}
	for c := range uint32(4) {
		answer.Vars = append(answer.Vars, mib.Variable{Name: cell(c, 1), Value: mib.Text("some value")})
		question.Ranges = append(question.Ranges, Range{Start: cell(c, 1), End: object(6)})
	}
	wire, err := question.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	var p PDU
	if n := testing.AllocsPerRun(100, func() {
		if buf, err = answer.Append(buf[:0]); err != nil {
			t.Error(err)
		}
		if err := p.Decode(wire); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever is decoded is encoded to something that is decoded to the same, and
// Decode takes no more memory than the octets are worth.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors() {
		f.Add(mustHex(f, v.wire))
		p := v.pdu
		p.Flags &^= FlagNetworkOrder
		b, err := p.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p PDU
		if err := p.Decode(b); err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset > len(b) {
				t.Fatal(err)
			}
			return
		}
		if n := len(p.Vars) + len(p.Ranges); n > len(b)/8 || len(p.arena) > 5*len(b)/4 {
			t.Errorf("%d octets became %d variables and ranges of %d parts", len(b), n, len(p.arena))
		}
		for _, v := range p.Vars {
			if check(v) != nil {
				return // which other values AgentX can carry and SNMP cannot
			}
		}
		first, err := p.Append(nil)
		if err != nil {
			t.Fatalf("%+v cannot be encoded: %v", p, err)
		}
		var q PDU
		if err := q.Decode(first); err != nil {
			t.Fatal(err)
		}
		q.Flags = p.Flags // a context where there can be none is left out
		if got, want := tidy(&q), tidy(&p); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v\nbecomes\n%+v", want, got)
		}
	})
}
