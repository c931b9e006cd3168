package snmp

import (
	"bytes"
	"errors"
	"hash/maphash"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"simone/internal/snmp/usm"
	"simone/mib"
)

// boots is a BootStore in memory.
type boots struct {
	n      int32
	broken error
}

func (s *boots) Boots() (int32, error) { return s.n, nil }
func (s *boots) StoreBoots(n int32) error {
	if s.broken == nil {
		s.n = n
	}
	return s.broken
}

// users are those of newEngine: one for each level.
func users() []User {
	return []User{
		v3User("none", usm.NoAuth, usm.NoPriv),
		v3User("auth", usm.SHA256, usm.NoPriv),
		v3User("priv", usm.SHA256, usm.AES128),
		v3User("des", usm.MD5, usm.DES),
	}
}

// newEngine gives someEngine() in its 8th boot.
func newEngine(tb testing.TB) *Engine {
	tb.Helper()
	e, err := NewEngine(EngineConfig{ID: someEngine(), Boots: &boots{n: 7}, Users: users()})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// asked is a request to an engine that can be changed in every part.
type asked struct {
	Envelope
	scope   Scope
	message *Message
	keys    *usm.Keys
}

// ask makes a good request of one of users().
func ask(tb testing.TB, e *Engine, user string) *asked {
	tb.Helper()
	a := &asked{scope: Scope{EngineID: e.ID()}, message: getRequest()}
	for _, u := range users() {
		if u.Name == user {
			a.Envelope = *envelope(u.Level)
			a.keys = mustLocalize(tb, u, e.ID())
		}
	}
	a.Envelope.User = []byte(user)
	a.Boots, a.Time = e.Now()
	return a
}

func (a *asked) seal(tb testing.TB) []byte {
	tb.Helper()
	return mustSeal(tb, &a.Envelope, &a.scope, a.message, a.keys)
}

// TestRFC3414Section32 goes through the steps in which an authoritative engine
// processes a message, and TestRFC3412Section72 through those around them:
// each fault is counted, told at the level that the step prescribes, and
// reaches nothing behind it.
func TestRFC3414Section32(t *testing.T) { testFaults(t, usmFaults()) }

func TestRFC3412Section72(t *testing.T) { testFaults(t, processingFaults()) }

type faultCase struct {
	name   string
	user   string
	change func(a *asked)                  // before it is sealed
	spoil  func(b []byte)                  // after
	fault  Fault                           // 0: it is taken
	level  usm.Level                       // of the Report; 0: there is none
	syntax bool                            // a SyntaxError instead
	also   func(*testing.T, *Envelope)     // holds the Report to more
	shape  func(*testing.T, *asked) []byte // in place of seal
}

func usmFaults() []faultCase {
	otherKeys := func(change func(*User)) func(a *asked) {
		return func(a *asked) {
			for _, u := range users() {
				if u.Name == string(a.Envelope.User) {
					change(&u)
					m, err := u.master()
					if err != nil {
						panic(err)
					}
					if a.keys, err = m.Localize(a.EngineID); err != nil {
						panic(err)
					}
				}
			}
		}
	}
	notReportable := func(a *asked) { a.Flags &^= FlagReportable }
	return []faultCase{
		{name: "Taken/noAuthNoPriv", user: "none"},
		{name: "Taken/authNoPriv", user: "auth"},
		{name: "Taken/authPriv", user: "priv"},
		{name: "Taken/DES", user: "des"},
		{name: "Taken/KeysButAtALowerLevel", user: "priv", change: func(a *asked) { a.Flags = FlagAuth }},
		{name: "Step3/Discovery", user: "none", fault: UnknownEngineID, level: usm.NoAuthNoPriv,
			change: func(a *asked) { a.EngineID, a.scope.EngineID, a.Envelope.User, a.Boots, a.Time = nil, nil, nil, 0, 0 },
			also: func(t *testing.T, r *Envelope) {
				if !bytes.Equal(r.EngineID, someEngine()) || r.Boots != 8 {
					t.Errorf("the Report shows engine %x in boot %d", r.EngineID, r.Boots)
				}
			}},
		{name: "Step3/AnotherEngine", user: "priv", change: func(a *asked) { a.EngineID = []byte("another") }, fault: UnknownEngineID, level: usm.NoAuthNoPriv},
		{name: "Step3/NotReportable", user: "priv", change: func(a *asked) { a.EngineID = []byte("another"); notReportable(a) }, fault: UnknownEngineID},
		{name: "Step4/UnknownUser", user: "priv", change: func(a *asked) { a.Envelope.User = []byte("nobody") }, fault: UnknownUserName, level: usm.NoAuthNoPriv},
		{name: "Step4/NoUser", user: "none", change: func(a *asked) { a.Envelope.User = nil }, fault: UnknownUserName, level: usm.NoAuthNoPriv},
		{name: "Step5/AuthWithoutKeys", user: "auth", change: func(a *asked) { a.Envelope.User = []byte("none") }, fault: UnsupportedSecLevel, level: usm.NoAuthNoPriv},
		{name: "Step5/PrivWithoutKeys", user: "priv", change: func(a *asked) { a.Envelope.User = []byte("auth") }, fault: UnsupportedSecLevel, level: usm.NoAuthNoPriv},
		{name: "Step6/WrongPassphrase", user: "priv", change: otherKeys(func(u *User) { u.AuthPassphrase = "another one" }), fault: WrongDigest, level: usm.NoAuthNoPriv},
		{name: "Step6/WrongProtocol", user: "auth", change: otherKeys(func(u *User) { u.Auth = usm.SHA1 }), fault: WrongDigest, level: usm.NoAuthNoPriv},
		{name: "Step6/KeysOfAnotherEngine", user: "auth", change: func(a *asked) {
			m, _ := (&User{Name: "auth", Level: usm.AuthNoPriv, Auth: usm.SHA256, AuthPassphrase: authPassphrase}).master()
			a.keys, _ = m.Localize([]byte("another engine"))
		}, fault: WrongDigest, level: usm.NoAuthNoPriv},
		{name: "Step6/ForgedMAC", user: "auth", spoil: flip, fault: WrongDigest, level: usm.NoAuthNoPriv},
		{name: "Step6/ForgedPDU", user: "auth", spoil: func(b []byte) { b[len(b)-3] ^= 1 }, fault: WrongDigest, level: usm.NoAuthNoPriv},
		{name: "Step6/NoMAC", user: "auth", shape: func(t *testing.T, a *asked) []byte { return withMAC(t, a, 0) }, fault: WrongDigest, level: usm.NoAuthNoPriv},
		{name: "Step6/MACOfOneOctet", user: "auth", shape: func(t *testing.T, a *asked) []byte { return withMAC(t, a, 1) }, fault: WrongDigest, level: usm.NoAuthNoPriv},
		{name: "Step6/MACCutOff", user: "auth", shape: func(t *testing.T, a *asked) []byte { return withMAC(t, a, 12) }, fault: WrongDigest, level: usm.NoAuthNoPriv},
		{name: "Step6/MACTooLong", user: "auth", shape: func(t *testing.T, a *asked) []byte { return withMAC(t, a, 25) }, fault: WrongDigest, level: usm.NoAuthNoPriv},
		{name: "Step7/OlderBoots", user: "priv", change: func(a *asked) { a.Boots-- }, fault: NotInTimeWindow, level: usm.AuthNoPriv},
		{name: "Step7/NewerBoots", user: "priv", change: func(a *asked) { a.Boots++ }, fault: NotInTimeWindow, level: usm.AuthNoPriv},
		{name: "Step7/TooNew", user: "auth", change: func(a *asked) { a.Time += window + 10 }, fault: NotInTimeWindow, level: usm.AuthNoPriv},
		{name: "Step7/JustNewEnough", user: "auth", change: func(a *asked) { a.Time += window - 10 }},
		{name: "Step8/WrongPassphrase", user: "priv", change: otherKeys(func(u *User) { u.PrivPassphrase = "another one" }), fault: DecryptionError, level: usm.NoAuthNoPriv},
		{name: "Step8/WrongPassphraseNotReportable", user: "priv", change: func(a *asked) {
			otherKeys(func(u *User) { u.PrivPassphrase = "another one" })(a)
			notReportable(a)
		}, fault: DecryptionError},
		{name: "Step8/ShortSalt", user: "priv", shape: func(t *testing.T, a *asked) []byte { return withSalt(t, a, 7) }, fault: DecryptionError, level: usm.NoAuthNoPriv},
		{name: "Step8/NoSalt", user: "priv", shape: func(t *testing.T, a *asked) []byte { return withSalt(t, a, 0) }, fault: DecryptionError, level: usm.NoAuthNoPriv},
	}
}

func processingFaults() []faultCase {
	verb := func(v mib.Verb) func(*asked) {
		return func(a *asked) { a.message.Verb = v; a.scope.EngineID = []byte("another") }
	}
	return []faultCase{
		{name: "UnknownPDUHandler", user: "priv", change: verb(mib.VerbGet), fault: UnknownPDUHandler, level: usm.AuthPriv},
		{name: "UnknownPDUHandler/Set", user: "auth", change: verb(mib.VerbSet), fault: UnknownPDUHandler, level: usm.AuthNoPriv},
		{name: "Taken/InformOfTheSendersContext", user: "priv", change: func(a *asked) {
			a.message.Verb = mib.VerbInform
			a.scope = Scope{EngineID: []byte("the sender"), Name: []byte("x")}
		}},
		{name: "UnknownContext", user: "priv", change: func(a *asked) { a.scope.Name = []byte("x") }, fault: UnknownContext, level: usm.AuthPriv},
		// What wants no answer gets no Report, whatever its flag says.
		{name: "NoReportToAResponse", user: "priv", change: verb(mib.VerbResponse), fault: UnknownPDUHandler},
		{name: "NoReportToATrapOfNobody", user: "none", change: func(a *asked) {
			a.message.Verb, a.Envelope.User = mib.VerbTrap, []byte("nobody")
		}, fault: UnknownUserName},
		{name: "NoReportToAReport", user: "none", change: verb(mib.VerbReport), fault: UnknownPDUHandler},
		{name: "NoReportToAResponseOfNobody", user: "none", change: func(a *asked) {
			a.message.Verb, a.Envelope.User = mib.VerbResponse, []byte("nobody")
		}, fault: UnknownUserName},
		{name: "UnreadablePDU", user: "none", shape: func(t *testing.T, a *asked) []byte {
			b := a.seal(t)
			b[bytes.IndexByte(b, byte(mib.VerbGet))] = 0xaf
			return b
		}, syntax: true},
	}
}

// flip changes a bit of the MAC of a message.
func flip(b []byte) {
	var e Envelope
	if err := e.Decode(b); err != nil {
		panic(err)
	}
	b[e.mac] ^= 1
}

// withMAC seals the message with a MAC of n octets: the beginning of the right
// one of its message, as far as that goes.
func withMAC(t *testing.T, a *asked, n int) []byte {
	t.Helper()
	return reshape(t, a, n, usm.SaltSize*int(a.Flags&FlagPriv)/int(FlagPriv))
}

// withSalt seals the message with a salt of n octets.
func withSalt(t *testing.T, a *asked, n int) []byte {
	t.Helper()
	return reshape(t, a, a.keys.MACSize(), n)
}

// reshape encodes a message by hand, signed as well as a MAC of that size can
// be.
func reshape(t *testing.T, a *asked, macSize, saltSize int) []byte {
	t.Helper()
	var e Envelope
	if err := e.Decode(a.seal(t)); err != nil {
		t.Fatal(err)
	}
	header := appendSigned(nil, tagInteger, int64(e.ID))
	header = appendSigned(header, tagInteger, int64(e.MaxSize))
	header = append(header, tagOctetString, 1, byte(e.Flags))
	header = appendSigned(header, tagInteger, modelUSM)
	parameters := appendOctets(nil, tagOctetString, e.EngineID)
	parameters = appendSigned(parameters, tagInteger, int64(e.Boots))
	parameters = appendSigned(parameters, tagInteger, int64(e.Time))
	parameters = appendOctets(parameters, tagOctetString, e.User)
	parameters = appendOctets(parameters, tagOctetString, make([]byte, macSize))
	parameters = appendOctets(parameters, tagOctetString, make([]byte, saltSize))
	body := appendSigned(nil, tagInteger, int64(V3))
	body = appendOctets(body, tagSequence, header)
	body = appendOctets(body, tagOctetString, appendOctets(nil, tagSequence, parameters))
	if e.Flags&FlagPriv != 0 {
		body = appendOctets(body, tagOctetString, e.data)
	} else {
		body = append(body, e.data...)
	}
	b := appendOctets(nil, tagSequence, body)
	if err := e.Decode(b); err != nil {
		t.Fatal(err)
	}
	if macSize >= a.keys.MACSize() {
		a.keys.Sign(b, e.mac)
	} else {
		// The best guess there is: how the true MAC begins.
		longer := append(bytes.Clone(b), make([]byte, a.keys.MACSize())...)
		a.keys.Sign(longer, e.mac)
		copy(b[e.mac:e.mac+macSize], longer[e.mac:])
	}
	return b
}

func testFaults(t *testing.T, cases []faultCase) {
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t)
			a := ask(t, e, tt.user)
			if tt.change != nil {
				tt.change(a)
			}
			if tt.shape == nil {
				tt.shape = func(t *testing.T, a *asked) []byte { return a.seal(t) }
			}
			b := tt.shape(t, a)
			if tt.spoil != nil {
				tt.spoil(b)
			}
			var x Exchange
			var m Message
			err := e.Open(b, &x, &m)
			var syntax *SyntaxError
			switch {
			case tt.syntax:
				if !errors.As(err, &syntax) {
					t.Errorf("error %v", err)
				}
				return
			case tt.fault == 0:
				if err != nil || x.User.Name != string(a.Envelope.User) || m.Verb != a.message.Verb || m.RequestID != 77 || len(m.Vars) != 1 {
					t.Fatalf("error %v, %+v", err, m)
				}
				checkAnswer(t, e, a, &x, &m)
				return
			case err != tt.fault:
				t.Fatalf("error %v, not %v", err, tt.fault)
			}
			for f := Fault(1); f < faultCount; f++ {
				want := uint64(0)
				if f == tt.fault {
					want = 1
				}
				if e.Refused(f) != want {
					t.Errorf("%v is counted %d times", f, e.Refused(f))
				}
			}
			report, owed := e.Report([]byte("kept"), &x, tt.fault)
			if owed != (tt.level != 0) {
				t.Fatalf("there is a Report: %v", owed)
			}
			if owed {
				checkReport(t, a, report[len("kept"):], tt.fault, tt.level, tt.also)
			}
		})
	}
}

// checkAnswer holds an answer against what its asker must demand of it.
func checkAnswer(t *testing.T, e *Engine, a *asked, x *Exchange, m *Message) {
	t.Helper()
	m.Verb = mib.VerbResponse
	b, err := e.Answer(nil, x, m)
	if err != nil {
		t.Fatal(err)
	}
	var r Envelope
	if err := r.Decode(b); err != nil {
		t.Fatal(err)
	}
	if r.ID != a.ID || r.Flags != a.Flags&^FlagReportable || !bytes.Equal(r.User, a.Envelope.User) || r.Boots != 8 {
		t.Errorf("answered with %+v", r)
	}
	if r.Flags&FlagAuth != 0 && !a.keys.Verify(b, r.mac, r.macLen) {
		t.Error("the answer's MAC is wrong")
	}
}

func checkReport(t *testing.T, a *asked, b []byte, fault Fault, level usm.Level, also func(*testing.T, *Envelope)) {
	t.Helper()
	var r Envelope
	if err := r.Decode(b); err != nil {
		t.Fatal(err)
	}
	if r.Flags != flagsOf(level) || r.ID != a.ID || !bytes.Equal(r.EngineID, someEngine()) {
		t.Errorf("reported with %+v", r)
	}
	if level >= usm.AuthNoPriv && !a.keys.Verify(b, r.mac, r.macLen) {
		t.Error("the Report's MAC is wrong")
	}
	if level == usm.AuthPriv {
		if err := a.keys.Decrypt(r.data, r.Boots, r.Time, r.salt); err != nil {
			t.Fatal(err)
		}
	}
	var m Message
	var s Scope
	if err := m.decodeScoped(r.data, &s, a.keys.Padding()); err != nil {
		t.Fatal(err)
	}
	if m.Verb != mib.VerbReport || len(m.Vars) != 1 || !m.Vars[0].Name.Equal(fault.OID().Append(0)) ||
		m.Vars[0].Value.Type != mib.TypeCounter32 || m.Vars[0].Value.Uint != 1 || faultOf(&m) != fault {
		t.Errorf("reported %+v", m.PDU)
	}
	if also != nil {
		also(t, &r)
	}
}

// RFC 3412, section 7.2, steps 2, 4 and 5: discarded, counted, never answered.
func TestRFC3412Section72Discards(t *testing.T) {
	for _, tt := range []struct {
		name   string
		octets string
		fault  Fault
	}{
		{"SecurityModel", "30 12 020103 300d 020101 020201e4 040104 020102", UnknownSecurityModel},
		{"Flags", "30 12 020103 300d 020101 020201e4 040106 020103", InvalidMsg},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t)
			var x Exchange
			var m Message
			if err := e.Open(mustHex(t, tt.octets), &x, &m); err != tt.fault || e.Refused(tt.fault) != 1 {
				t.Errorf("error %v", err)
			}
			if _, owed := e.Report(nil, &x, tt.fault); owed {
				t.Error("there is a Report")
			}
		})
	}
}

// RFC 3414, section 3.2, step 7 a: what was good once is good for 150 seconds,
// and never after the engine has started again.
func TestRFC3414Section32Step7Replay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &boots{n: 7}
		start := func() *Engine {
			e, err := NewEngine(EngineConfig{ID: someEngine(), Boots: store, Users: users()})
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		e := start()
		time.Sleep(1000 * time.Second)
		recorded := ask(t, e, "priv").seal(t)
		try := func(e *Engine) error {
			var x Exchange
			var m Message
			return e.Open(bytes.Clone(recorded), &x, &m)
		}
		time.Sleep(window * time.Second)
		if err := try(e); err != nil {
			t.Errorf("after %d s: %v", window, err)
		}
		time.Sleep(time.Second)
		if err := try(e); err != NotInTimeWindow {
			t.Errorf("after %d s: %v", window+1, err)
		}
		again := start()
		time.Sleep(1000 * time.Second)
		if err := try(again); err != NotInTimeWindow {
			t.Errorf("after a restart: %v", err)
		}
		if now, _ := again.Now(); now != 9 || store.n != 9 {
			t.Errorf("boot %d, %d stored", now, store.n)
		}
	})
}

// RFC 3414, section 2.2.2: at 2^31-1 boots nothing is in the window any more.
func TestRFC3414Section222Latch(t *testing.T) {
	for _, n := range []int32{math.MaxInt32 - 1, math.MaxInt32} {
		store := &boots{n: n}
		e, err := NewEngine(EngineConfig{ID: someEngine(), Boots: store, Users: users()})
		if err != nil {
			t.Fatal(err)
		}
		var x Exchange
		var m Message
		if err := e.Open(ask(t, e, "priv").seal(t), &x, &m); err != NotInTimeWindow || store.n != math.MaxInt32 {
			t.Errorf("after %d boots: error %v, %d stored", n, err, store.n)
		}
	}
}

func TestNewEngineRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  EngineConfig
		err  string
	}{
		{"NoID", EngineConfig{Boots: &boots{}}, "its id has 0 octets"},
		{"LongID", EngineConfig{ID: make([]byte, 33), Boots: &boots{}}, "its id has 33 octets"},
		{"NoStore", EngineConfig{ID: someEngine()}, "nothing to keep its boots in"},
		{"BrokenStore", EngineConfig{ID: someEngine(), Boots: &boots{broken: errors.New("disk full")}}, "store its boots: disk full"},
		{"NegativeBoots", EngineConfig{ID: someEngine(), Boots: &boots{n: -1}}, "started -1 times"},
		{"UserTwice", EngineConfig{ID: someEngine(), Boots: &boots{}, Users: []User{v3User("a", 0, 0), v3User("a", 0, 0)}}, `user "a" is there twice`},
		{"User", EngineConfig{ID: someEngine(), Boots: &boots{}, Users: []User{{Name: "a"}}}, `user "a": level(0) is no level`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := NewEngine(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, not %q", err, tt.err)
			}
		})
	}
}

func TestEngineID(t *testing.T) {
	id, err := EngineID([]byte("0123456789abcdef"))
	if err != nil || string(id) != "\x80\x00\x1f\x88\x050123456789abcdef" {
		t.Errorf("%x, %v", id, err)
	}
	for _, n := range []int{0, 28} {
		if _, err := EngineID(make([]byte, n)); err == nil {
			t.Errorf("%d octets make an engine's id", n)
		}
	}
}

func TestFaultsHaveTheirOwnCounters(t *testing.T) {
	seen := make(map[string]bool)
	for f := Fault(1); f.Known(); f++ {
		name := f.OID().Append(0)
		if seen[name.String()] || seen[f.Counter()] || strings.HasPrefix(f.Counter(), "fault(") {
			t.Errorf("%v and its %v are there twice", f.Counter(), name)
		}
		seen[name.String()], seen[f.Counter()] = true, true
		if got := faultOf(&Message{PDU: PDU{Vars: []mib.Variable{{Name: name}}}}); got != f {
			t.Errorf("%v is read as %v", f, got)
		}
	}
	if len(seen) != 2*11 || faultOf(&Message{}) != 0 {
		t.Errorf("%d", len(seen))
	}
}

// Nothing but what was sealed with a user's keys is ever taken for authentic,
// and whatever comes, there is no more than one answer to it.
func FuzzUSM(f *testing.F) {
	e := newEngine(f)
	sealed := make(map[string]bool)
	seed := maphash.MakeSeed()
	for _, u := range users() {
		a := ask(f, e, u.Name)
		b := a.seal(f)
		sealed[string(b)] = true
		f.Add(b)
		a.EngineID = nil
		f.Add(a.seal(f))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var x Exchange
		var m Message
		err := e.Open(bytes.Clone(b), &x, &m) // it may decrypt in place
		var fault Fault
		switch {
		case err == nil:
			// (What is encrypted has a salt of its own in each process.)
			if x.Envelope.Flags.Level() == usm.AuthNoPriv && !sealed[string(b)] {
				t.Errorf("%x is taken for %s's", b, x.User.Name)
			}
			if x.Envelope.Flags&FlagAuth != 0 {
				var y Exchange
				changed := bytes.Clone(b)
				changed[int(maphash.Bytes(seed, b)%uint64(len(b)))] ^= 0x10
				if e.Open(changed, &y, &m) == nil && y.Envelope.Flags&FlagAuth != 0 {
					t.Errorf("%x is taken for %s's", changed, y.User.Name)
				}
			}
			if x.Envelope.Flags&FlagAuth == 0 && len(x.Envelope.User) == 0 {
				t.Errorf("%x is nobody's", b)
			}
			m.Verb = mib.VerbResponse
			if _, err := e.Answer(nil, &x, &m); err != nil {
				t.Errorf("%x cannot be answered: %v", b, err)
			}
		case errors.As(err, &fault):
			if r, owed := e.Report(nil, &x, fault); owed {
				if err := new(Envelope).Decode(r); err != nil {
					t.Errorf("%x is answered with %x: %v", b, r, err)
				}
			}
		}
	})
}
