package agentx

import (
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	peer "github.com/posteo/go-agentx"
	"github.com/posteo/go-agentx/pdu"
	"github.com/posteo/go-agentx/value"

	"simone/mib"
)

// An independent implementation, go-agentx, as far as it goes: it knows
// little-endian numbers only, no SET, and decodes no numeric variables.

func TestPeerEncodes(t *testing.T) {
	o := value.MustParseOID("1.3.6.1.4.1.8072")
	open := &pdu.Open{}
	open.Timeout.Duration = 7 * time.Second
	open.ID.SetIdentifier(o)
	open.Description.Text = "peer"
	register := &pdu.Register{}
	register.Timeout.Priority = 33
	register.Subtree.SetIdentifier(o)
	response := &pdu.Response{UpTime: 0, Error: pdu.ErrorProcessing, Index: 3}
	all := &pdu.Response{}
	all.Variables.Add(o, pdu.VariableTypeInteger, int32(-42))
	all.Variables.Add(o, pdu.VariableTypeOctetString, "hello")
	all.Variables.Add(o, pdu.VariableTypeObjectIdentifier, "1.3.6.1.2")
	all.Variables.Add(o, pdu.VariableTypeIPAddress, net.IP{192, 0, 2, 7})
	all.Variables.Add(o, pdu.VariableTypeCounter32, uint32(1<<31))
	all.Variables.Add(o, pdu.VariableTypeGauge32, uint32(9))
	all.Variables.Add(o, pdu.VariableTypeTimeTicks, 2*time.Second)
	all.Variables.Add(o, pdu.VariableTypeOpaque, []byte{1, 2, 3})
	all.Variables.Add(o, pdu.VariableTypeCounter64, uint64(1<<63))
	all.Variables.Add(o, pdu.VariableTypeNull, nil)
	all.Variables.Add(o, pdu.VariableTypeEndOfMIBView, nil)
	name := mib.MustOID("1.3.6.1.4.1.8072")
	values := []mib.Value{
		mib.Integer(-42), mib.Text("hello"), mib.ObjectID(mib.MustOID("1.3.6.1.2")),
		{Type: mib.TypeIPAddress, Bytes: []byte{192, 0, 2, 7}}, mib.Counter32(1 << 31), mib.Gauge(9), mib.Ticks(200),
		{Type: mib.TypeOpaque, Bytes: []byte{1, 2, 3}}, mib.Counter64(1 << 63), {Type: mib.TypeNull}, {Type: mib.TypeEndOfMIBView},
	}
	var vars []mib.Variable
	for _, v := range values {
		vars = append(vars, mib.Variable{Name: name, Value: v})
	}
	for _, tt := range []struct {
		name   string
		kind   pdu.Type
		packet pdu.Packet
		want   PDU
	}{
		{"Open", pdu.TypeOpen, open, PDU{Type: TypeOpen, Timeout: 7, ID: name, Descr: []byte("peer")}},
		{"Register", pdu.TypeRegister, register, PDU{Type: TypeRegister, Priority: 33, ID: name}},
		{"Close", pdu.TypeClose, &pdu.Close{Reason: pdu.ReasonShutdown}, PDU{Type: TypeClose, Reason: ReasonShutdown}},
		{"Refusal", pdu.TypeResponse, response, PDU{Type: TypeResponse, Error: CodeProcessingError, Index: 3}},
		{"Variables", pdu.TypeResponse, all, PDU{Type: TypeResponse, Vars: vars}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := (&pdu.HeaderPacket{Header: &pdu.Header{Type: tt.kind, SessionID: 7, TransactionID: 8, PacketID: 9}, Packet: tt.packet}).MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			var p PDU
			if err := p.Decode(b); err != nil {
				t.Fatalf("%x: %v", b, err)
			}
			tt.want.Session, tt.want.Transaction, tt.want.Packet = 7, 8, 9
			if got, want := tidy(&p), tidy(&tt.want); !reflect.DeepEqual(got, want) {
				t.Errorf("decoded as\n%+v, not\n%+v", got, want)
			}
		})
	}
}

func TestPeerDecodes(t *testing.T) {
	encode := func(p PDU) []byte {
		b, err := p.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		var h pdu.Header
		if err := h.UnmarshalBinary(b[:HeaderSize]); err != nil || h.SessionID != 7 || h.PacketID != 9 || int(h.PayloadLength) != len(b)-HeaderSize {
			t.Fatalf("header %+v, %v", h, err)
		}
		return b[HeaderSize:]
	}
	from, to := mib.MustOID("1.3.6.1.4.1.8072.1"), mib.MustOID("1.3.6.1.4.1.8073")
	var next pdu.GetNext
	err := next.UnmarshalBinary(encode(PDU{Type: TypeGetNext, Session: 7, Packet: 9, Ranges: []Range{{from, true, to}, {to, false, from}}}))
	if err != nil || len(next.SearchRanges) != 2 {
		t.Fatalf("%+v, %v", next, err)
	}
	got := fmt.Sprint(next.SearchRanges[0].From.GetIdentifier(), next.SearchRanges[0].From.Include, next.SearchRanges[0].To.GetIdentifier(), next.SearchRanges[1].From.Include)
	if want := "1.3.6.1.4.1.8072.1 1 1.3.6.1.4.1.8073 0"; got != want {
		t.Errorf("got %s, not %s", got, want)
	}
	var get pdu.Get
	if err := get.UnmarshalBinary(encode(PDU{Type: TypeGet, Session: 7, Packet: 9, Ranges: []Range{{Start: from}}})); err != nil || get.GetOID().String() != strings.TrimPrefix(from.String(), ".") {
		t.Errorf("%+v, %v", get, err)
	}
	var response pdu.Response
	if err := response.UnmarshalBinary(encode(PDU{Type: TypeResponse, Session: 7, Packet: 9, Error: CodeDuplicateRegistration, Index: 2})); err != nil || response.Error != pdu.ErrorDuplicateRegistration || response.Index != 2 {
		t.Errorf("%+v, %v", response, err)
	}
}

// The peer answers for a part inside of ours under the same snmpd: a walk
// goes from us to it and back, and shows nothing twice.
func TestPeerBesideUnderSNMPd(t *testing.T) {
	d := startSNMPd(t)
	ours, _ := start(t, Config{Master: d.master()}, newFixture(t, 0).tree)
	connected(t, ours)

	client, err := peer.Dial("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	// It panics when the snmpd goes first.
	defer func() { _ = client.Close() }()
	var list peer.ListHandler
	inside := object(4, 100)
	item := list.Add(strings.TrimPrefix(inside.Append(7).String(), "."))
	item.Type, item.Value = pdu.VariableTypeOctetString, "the peer's"
	session, err := client.Session(value.MustParseOID("1.3.6.1.4.1.8072"), "peer", &list)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Register(127, value.MustParseOID(strings.TrimPrefix(inside.String(), "."))); err != nil {
		t.Fatal(err)
	}
	all, err := d.client(t, "public").WalkAll(object(4).String())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range all {
		got = append(got, fmt.Sprint(v.Name, " ", len(v.Value.([]byte))))
	}
	want := []string{object(4, 10, 0).String() + " 10", inside.Append(7).String() + " 10", object(4, 1000, 0).String() + " 1000", object(4, 2000, 0).String() + " 2000"}
	if len(got) < len(want) || !reflect.DeepEqual(got[:len(want)], want) {
		t.Errorf("got %v, not %v", got, want)
	}
}
