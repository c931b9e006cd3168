package snmp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"simone/mib"
)

func mustHex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func mustEncode(tb testing.TB, m *Message) []byte {
	tb.Helper()
	b, err := m.Append(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func opaqueFloat() mib.Value {
	return mib.Value{Type: mib.TypeOpaque, Bytes: []byte{0x9f, 0x78, 0x04, 0x3f, 0x80, 0, 0}}
}

// everyValue has each type at its limits.
func everyValue() []mib.Value {
	return []mib.Value{
		mib.Integer(0), mib.Integer(-1), mib.Integer(127), mib.Integer(128), mib.Integer(-128), mib.Integer(-129),
		mib.Integer(math.MaxInt32), mib.Integer(math.MinInt32),
		mib.Counter32(0), mib.Counter32(127), mib.Counter32(128), mib.Counter32(0x7fffffff), mib.Counter32(math.MaxUint32),
		mib.Gauge(1 << 16), mib.Ticks(1 << 24),
		mib.Counter64(0), mib.Counter64(1 << 32), mib.Counter64(math.MaxInt64), mib.Counter64(math.MaxUint64),
		mib.Text(""), mib.Text("a"), mib.Text(strings.Repeat("x", 127)), mib.Text(strings.Repeat("x", 128)),
		mib.Text(strings.Repeat("x", 255)), mib.Text(strings.Repeat("x", 256)), mib.Text(strings.Repeat("x", 60000)),
		mib.IPAddress(netip.MustParseAddr("192.0.2.1")),
		opaqueFloat(),
		mib.ObjectID(mib.OID{0, 0}), mib.ObjectID(mib.OID{1, 39}), mib.ObjectID(mib.OID{2, math.MaxUint32, math.MaxUint32}),
		mib.ObjectID(mib.MustOID("1.3.6.1.4.1.8072.9999.9999.7466")),
		{Type: mib.TypeNull}, {Type: mib.TypeNoSuchObject}, {Type: mib.TypeNoSuchInstance}, {Type: mib.TypeEndOfMIBView},
	}
}

func TestEveryValueComesBack(t *testing.T) {
	for _, v := range everyValue() {
		m := Message{Version: V2c, Community: []byte("c"), PDU: PDU{Verb: mib.VerbResponse, RequestID: 1,
			Vars: []mib.Variable{{Name: mib.OID{1, 3, 6}, Value: v}}}}
		b := mustEncode(t, &m)
		var got Message
		if err := got.Decode(b); err != nil {
			t.Errorf("%v %.20v: %v", v.Type, v, err)
			continue
		}
		if len(v.Bytes) == 0 {
			v.Bytes, got.Vars[0].Value.Bytes = nil, nil
		}
		if !reflect.DeepEqual(got.Vars[0].Value, v) {
			t.Errorf("%v: %.40v became %.40v", v.Type, v, got.Vars[0].Value)
		}
		n, err := VariableSize(m.Vars[0])
		if err != nil || n > len(b) || len(b) > n+Overhead(m.Community) {
			t.Errorf("%v: the size is said to be %d (%v) of %d", v.Type, n, err, len(b))
		}
	}
}

func TestEveryPDUComesBack(t *testing.T) {
	vars := []mib.Variable{{Name: mib.MustOID("1.3.6.1.2.1.1.3.0"), Value: mib.Ticks(9)}}
	trap := TrapV1{Enterprise: mib.MustOID("1.3.6.1.4.1.8072"), Agent: netip.MustParseAddr("127.0.0.1"),
		Generic: 6, Specific: 17, Uptime: math.MaxUint32}
	for _, tt := range []struct {
		name    string
		version Version
		pdu     PDU
	}{
		{"Get", V1, PDU{Verb: mib.VerbGet, RequestID: math.MaxInt32, Vars: vars}},
		{"GetNext", V2c, PDU{Verb: mib.VerbGetNext, RequestID: math.MinInt32, Vars: vars}},
		{"Response", V2c, PDU{Verb: mib.VerbResponse, RequestID: -1, Status: mib.InconsistentName, Index: 300, Vars: vars}},
		{"Set", V1, PDU{Verb: mib.VerbSet, Vars: vars}},
		{"TrapV1", V1, PDU{Verb: mib.VerbTrapV1, Trap: trap, Vars: vars}},
		{"GetBulk", V2c, PDU{Verb: mib.VerbGetBulk, RequestID: 5, NonRepeaters: -1, MaxRepetitions: math.MaxInt32, Vars: vars}},
		{"Inform", V2c, PDU{Verb: mib.VerbInform, RequestID: 5, Vars: vars}},
		{"Trap", V2c, PDU{Verb: mib.VerbTrap, RequestID: 5, Vars: vars}},
		{"Report", V2c, PDU{Verb: mib.VerbReport, RequestID: 5, Vars: vars}},
		{"NoVariables", V2c, PDU{Verb: mib.VerbGet, RequestID: 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Message{Version: tt.version, Community: []byte("public"), PDU: tt.pdu}
			b := mustEncode(t, &m)
			got := Message{PDU: PDU{Status: 99, Index: 99, NonRepeaters: 99}} // left over from before
			if err := got.Decode(b); err != nil {
				t.Fatal(err)
			}
			got.Vars = got.Detach(nil)
			if len(got.Vars) == 0 {
				got.Vars = nil
			}
			if got.Version != tt.version || string(got.Community) != "public" || !reflect.DeepEqual(got.PDU, tt.pdu) {
				t.Errorf("got  %+v\nwant %+v", got.PDU, tt.pdu)
			}
		})
	}
}

// What net-snmp 5.9 puts on the wire: long lengths where short ones would do.
func TestDecodeNetSNMP(t *testing.T) {
	b := mustHex(t, `30 82 00 2f 02 01 01 04 06 70 75 62 6c 69 63
		a2 82 00 20 02 04 1a 2b 3c 4d 02 01 00 02 01 00
		30 82 00 10 30 82 00 0c 06 08 2b 06 01 02 01 01 03 00 43 00`)
	var m Message
	err := m.Decode(b)
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset != len(b) {
		t.Errorf("a number without octets is taken, or the error is elsewhere: %v", err)
	}
	b[len(b)-2] = 0x41 // Counter32 ...
	b[len(b)-1] = 5    // ... of five octets
	b = append(b, 0, 0xff, 0xff, 0xff, 0xfe)
	for _, at := range []int{3, 18, 34, 38} {
		b[at] += 5
	}
	if err := m.Decode(b); err != nil {
		t.Fatal(err)
	}
	if want := mib.Counter32(0xfffffffe); m.RequestID != 0x1a2b3c4d || !reflect.DeepEqual(m.Vars[0].Value, want) {
		t.Errorf("got %#x %v", m.RequestID, m.Vars)
	}
}

// value wraps a value's encoding, in hexadecimal, into a whole response.
func response(tb testing.TB, name, value string) []byte {
	tb.Helper()
	variable := appendOctets(nil, tagSequence, append(mustHex(tb, name), mustHex(tb, value)...))
	pdu := mustHex(tb, "02 01 05 02 01 00 02 01 00")
	pdu = appendOctets(pdu, tagSequence, variable)
	body := mustHex(tb, "02 01 01 04 01 63")
	return appendOctets(nil, tagSequence, appendOctets(body, byte(mib.VerbResponse), pdu))
}

func TestDecodeValues(t *testing.T) {
	const name = "06 02 2b 06"
	for _, tt := range []struct {
		name, value string
		want        mib.Value
		err         string
	}{
		{"IntegerInFourOctets", "02 04 00 00 00 07", mib.Integer(7), ""},
		{"IntegerInFive", "02 05 00 00 00 00 07", mib.Value{}, "INTEGER in 5 octets"},
		{"IntegerInNone", "02 00", mib.Value{}, "INTEGER in 0 octets"},
		{"CounterWithoutLeadingZero", "41 04 ff ff ff ff", mib.Counter32(math.MaxUint32), ""},
		{"CounterNegative", "41 01 ff", mib.Value{}, "negative"},
		{"CounterTooGreat", "41 05 01 00 00 00 00", mib.Value{}, "does not fit 32 bits"},
		{"CounterInSix", "41 06 00 00 00 00 00 01", mib.Value{}, "in 6 octets"},
		{"Counter64WithLeadingZero", "46 09 00 ff ff ff ff ff ff ff ff", mib.Counter64(math.MaxUint64), ""},
		{"Counter64WithoutLeadingZero", "46 08 ff ff ff ff ff ff ff ff", mib.Counter64(math.MaxUint64), ""},
		{"Counter64TooGreat", "46 09 01 00 00 00 00 00 00 00 00", mib.Value{}, "does not fit 64 bits"},
		{"AddressOfThree", "40 03 7f 00 00", mib.Value{}, "IpAddress of 3 octets"},
		{"NullWithContents", "05 01 00", mib.Value{}, "NULL with 1 octets"},
		{"ExceptionWithContents", "82 01 00", mib.Value{}, "endOfMibView with 1 octets"},
		{"BitString", "03 01 00", mib.Value{}, "0x03 is no type"},
		{"LongTag", "1f 81 00 00", mib.Value{}, "long form"},
		{"Indefinite", "04 80 61 00 00", mib.Value{}, "indefinite"},
		{"LengthLies", "04 05 61", mib.Value{}, "length 5, but 1 octets are left"},
		{"LengthOfLengthLies", "04 84 00 00", mib.Value{}, "a length of 4 octets, 2 are left"},
		{"LengthHuge", "04 84 ff ff ff ff 61", mib.Value{}, "length 4294967295"},
		{"LengthOfFive", "04 85 00 00 00 00 01 61", mib.Value{}, "a length of 5 octets"},
		{"Missing", "", mib.Value{}, "0 are left"},
		{"TooMuch", "05 00 05 00", mib.Value{}, "2 octets too many in a variable"},
		{"OIDWithoutContents", "06 00", mib.ObjectID(mib.OID{0, 0}), ""},
		{"OIDUnderTwo", "06 02 88 37", mib.ObjectID(mib.OID{2, 999}), ""},
		{"OIDEndsInside", "06 02 2b 86", mib.Value{}, "ends inside"},
		{"OIDSubTooGreat", "06 06 2b 90 80 80 80 00", mib.Value{}, "does not fit 32 bits"},
		{"OIDSubGreatest", "06 06 2b 8f ff ff ff 7f", mib.ObjectID(mib.OID{1, 3, math.MaxUint32}), ""},
		{"OIDFirstTooGreat", "06 05 90 80 80 81 00", mib.Value{}, "does not fit 32 bits"},
		{"OIDPadded", "06 03 2b 80 01", mib.Value{}, "zero group"},
		{"OIDOf128", "06 7f 2b" + strings.Repeat("01", 126), mib.ObjectID(append(mib.OID{1, 3}, ones(126)...)), ""},
		{"OIDOf129", "06 81 80 2b" + strings.Repeat("01", 127), mib.Value{}, "more than 128 parts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := response(t, name, tt.value)
			var m Message
			err := m.Decode(b)
			if tt.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(m.Vars[0].Value, tt.want) {
					t.Errorf("got %v, not %v", m.Vars[0].Value, tt.want)
				}
				return
			}
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, not %q", err, tt.err)
			}
			if start := len(b) - len(mustHex(t, tt.value)); syntax.Offset < start || syntax.Offset > len(b) {
				t.Errorf("the error is at octet %d, the value at %d to %d", syntax.Offset, start, len(b))
			}
		})
	}
}

func ones(n int) []uint32 {
	o := make([]uint32, n)
	for i := range o {
		o[i] = 1
	}
	return o
}

func TestDecodeMessageErrors(t *testing.T) {
	const head = "02 01 01 04 01 63"
	for _, tt := range []struct{ name, datagram, err string }{
		{"Empty", "", "octet 0: an element needs 2 octets"},
		{"Text", hex.EncodeToString([]byte("GET / HTTP/1.0")), "octet 0: the message has tag 0x47, not 0x30"},
		{"TrailingGarbage", "30 02 05 00 00", "octet 4: 1 octets too many after the message"},
		{"NoVersion", "30 02 05 00", "octet 2: the version has tag 0x05"},
		{"NoCommunity", "30 05 02 01 01 05 00", "octet 5: the community has tag 0x05"},
		{"NoPDU", "30 06" + head, "octet 8: there is no PDU"},
		{"UnknownPDU", "30 08" + head + "a9 00", "octet 8: 0xa9 is no PDU"},
		{"BulkInV1", "30 08 02 01 00 04 01 63 a5 00", "octet 8: PDU 0xa5 in a message of v1"},
		{"V1TrapInV2", "30 08" + head + "a4 00", "octet 8: an SNMPv1 trap"},
		{"RequestIDTooLong", "30 0f" + head + "a0 07 02 05 00 00 00 00 01", "octet 12: the request-id in 5 octets"},
		{"AfterPDU", "30 15" + head + "a0 0b 02 01 01 02 01 00 02 01 00 30 00 05 00", "octet 21: 2 octets too many in the message"},
		{"AfterList", "30 15" + head + "a0 0d 02 01 01 02 01 00 02 01 00 30 00 05 00", "octet 21: 2 octets too many in the PDU"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m Message
			err := m.Decode(mustHex(t, tt.datagram))
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, not %q", err, tt.err)
			}
		})
	}
	t.Run("V3", func(t *testing.T) {
		var m Message
		if err := m.Decode(mustHex(t, "30 05 02 01 03 30 00")); !errors.Is(err, ErrVersion) {
			t.Errorf("error %v, not ErrVersion", err)
		}
	})
}

func TestTruncatedMessagesAreRefused(t *testing.T) {
	b := mustEncode(t, sample())
	for n := range len(b) {
		var m Message
		if err := m.Decode(b[:n]); err == nil {
			t.Errorf("the first %d octets of %d are taken for a message", n, len(b))
		}
	}
}

func TestAppendErrors(t *testing.T) {
	name := mib.OID{1, 3, 6}
	for _, tt := range []struct {
		name string
		m    Message
		err  string
	}{
		{"V3", Message{Version: V3, PDU: PDU{Verb: mib.VerbGet}}, "not supported"},
		{"BulkInV1", Message{Version: V1, PDU: PDU{Verb: mib.VerbGetBulk}}, "no PDU 0xa5 in v1"},
		{"NoPDU", Message{Version: V1}, "0x00 is no PDU"},
		{"NameTooLong", variable(ones(129), mib.Value{}), "129 parts"},
		{"NameBeginsWithThree", variable(mib.OID{3, 1}, mib.Value{}), "begins with 3"},
		{"SecondPartTooGreat", variable(mib.OID{1, 40}, mib.Value{}), "at most 39"},
		{"IntegerTooGreat", variable(name, mib.Value{Type: mib.TypeInteger, Int: 1 << 31}), "does not fit 32 bits"},
		{"GaugeTooGreat", variable(name, mib.Value{Type: mib.TypeGauge32, Uint: 1 << 32}), "does not fit 32 bits"},
		{"AddressTooLong", variable(name, mib.Value{Type: mib.TypeIPAddress, Bytes: make([]byte, 16)}), "16 octets"},
		{"NoType", variable(name, mib.Value{Type: 0x31}), "no type"},
		{"TooBig", variable(name, mib.Octets(make([]byte, 65500))), "too big"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.m.Append([]byte("x"))
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, not %q", err, tt.err)
			}
			if string(b) != "x" {
				t.Errorf("the buffer has changed to %q", b)
			}
		})
	}
}

func variable(name mib.OID, v mib.Value) Message {
	return Message{Version: V2c, PDU: PDU{Verb: mib.VerbSet, Vars: []mib.Variable{{Name: name, Value: v}}}}
}

// sample is a response as a poll brings it: ten variables.
func sample() *Message {
	m := &Message{Version: V2c, Community: []byte("public"), PDU: PDU{Verb: mib.VerbResponse, RequestID: 0x12345678}}
	root := mib.MustOID("1.3.6.1.4.1.8072.9999.9999.7466.1.5.1.3.0")
	for i := range uint32(10) {
		m.Vars = append(m.Vars, mib.Variable{Name: root.Append(1000000000+i, 0), Value: mib.Text("3.14159")})
	}
	return m
}

func TestDetachKeeps(t *testing.T) {
	b := mustEncode(t, sample())
	var m Message
	if err := m.Decode(b); err != nil {
		t.Fatal(err)
	}
	request := sample().Vars
	request[3].Name = mib.OID{1, 3}
	vars := m.Detach(request)
	clear(b)
	if err := m.Decode(mustEncode(t, &Message{Version: V1, PDU: PDU{Verb: mib.VerbGet, Vars: []mib.Variable{{Name: ones(128)}}}})); err != nil {
		t.Fatal(err)
	}
	if want := sample().Vars; !reflect.DeepEqual(vars, want) {
		t.Errorf("got %v\nwant %v", vars, want)
	}
	if &vars[0].Name[0] != &request[0].Name[0] {
		t.Error("an equal name was copied")
	}
}

func TestCodecDoesNotAllocate(t *testing.T) {
	m := sample()
	b := mustEncode(t, m)
	var got Message
	if n := testing.AllocsPerRun(100, func() {
		if err := got.Decode(b); err != nil {
			t.Error(err)
		}
		if _, err := m.Append(b[:0]); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(mustEncode(f, sample()))
	for _, v := range everyValue() {
		m := variable(mib.OID{1, 3, 6}, v)
		f.Add(mustEncode(f, &m))
	}
	f.Add(mustHex(f, `30 82 00 2f 02 01 01 04 06 70 75 62 6c 69 63 a2 82 00 20 02 04 1a 2b 3c 4d 02 01 00 02 01 00
		30 82 00 10 30 82 00 0c 06 08 2b 06 01 02 01 01 03 00 43 00`))
	f.Add(mustEncode(f, &Message{Version: V1, PDU: PDU{Verb: mib.VerbTrapV1,
		Trap: TrapV1{Enterprise: mib.OID{1, 3}, Agent: netip.MustParseAddr("127.0.0.1")}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		if m.Decode(b) != nil {
			return
		}
		// What is taken can be encoded, and means the same again.
		once := mustEncode(t, &m)
		if len(once) > len(b)+8*(len(m.Vars)+1)*2 {
			t.Errorf("%d octets became %d", len(b), len(once))
		}
		var again Message
		if err := again.Decode(once); err != nil {
			t.Fatalf("%x\n%v", once, err)
		}
		if twice := mustEncode(t, &again); !bytes.Equal(once, twice) {
			t.Errorf("%x\n%x", once, twice)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	datagram := mustEncode(b, sample())
	var m Message
	b.ReportAllocs()
	b.SetBytes(int64(len(datagram)))
	for b.Loop() {
		if err := m.Decode(datagram); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	m := sample()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = m.Append(buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
