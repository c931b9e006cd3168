package snmp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"simone/internal/snmp/usm"
	"simone/mib"
)

// window is how many seconds a message may be older or newer than its engine's
// clock says (RFC 3414, section 2.2.3).
const window = 150

// latched is the number of boots at which nothing is in the time window any
// more (RFC 3414, section 2.2.2).
const latched = math.MaxInt32

// BootStore keeps the number of an engine's boots, which no two starts of it
// may share: what was signed before one could be sent again after it.
type BootStore interface {
	// Boots gives what was stored last, 0 if nothing was.
	Boots() (int32, error)
	// StoreBoots returns when the number is durable.
	StoreBoots(boots int32) error
}

// EngineConfig is how an Engine is set up.
type EngineConfig struct {
	// ID tells the engine from all others and outlives restarts (RFC 3411,
	// section 5): 5 to 32 octets. See EngineID.
	ID []byte
	// Boots is where the number of starts is kept.
	Boots BootStore
	// Users are those whose messages are taken.
	Users []User
}

// EngineID makes an engine's id out of octets that no other engine below
// enterprise number 8072 has, as those of a UUID: at most 27.
func EngineID(unique []byte) ([]byte, error) {
	if len(unique) == 0 || len(unique) > MaxEngineID-MinEngineID {
		return nil, fmt.Errorf("an engine's id out of %d octets; it takes 1 to %d", len(unique), MaxEngineID-MinEngineID)
	}
	const enterprise, octets = 1<<31 | 8072, 5 // RFC 3411, SnmpEngineID: format 5 is octets of the owner's choice
	return append([]byte{enterprise >> 24, enterprise >> 16 & 0xff, enterprise >> 8 & 0xff, enterprise & 0xff, octets}, unique...), nil
}

// Engine is an authoritative SNMP engine: it judges v3 messages that are sent
// to it and seals its answers (RFC 3414, section 3). Open, Answer and Report
// are for one goroutine; the rest is safe for concurrent use.
type Engine struct {
	id      []byte
	boots   int32
	started time.Time
	users   map[string]*account
	faults  [faultCount]atomic.Uint64
}

// account is a user at one engine.
type account struct {
	User
	keys *usm.Keys
}

// NewEngine counts one more boot, durably, before it returns.
func NewEngine(cfg EngineConfig) (*Engine, error) {
	if len(cfg.ID) < MinEngineID || len(cfg.ID) > MaxEngineID {
		return nil, fmt.Errorf("engine: its id has %d octets; it must be %d to %d", len(cfg.ID), MinEngineID, MaxEngineID)
	}
	if cfg.Boots == nil {
		return nil, errors.New("engine: there is nothing to keep its boots in")
	}
	e := &Engine{id: append([]byte(nil), cfg.ID...), users: make(map[string]*account, len(cfg.Users))}
	for _, u := range cfg.Users {
		if e.users[u.Name] != nil {
			return nil, fmt.Errorf("engine: user %q is there twice", u.Name)
		}
		master, err := u.master()
		if err != nil {
			return nil, fmt.Errorf("engine: %w", err)
		}
		keys, err := master.Localize(e.id)
		if err != nil {
			return nil, fmt.Errorf("engine: user %q: %w", u.Name, err)
		}
		e.users[u.Name] = &account{u, keys}
	}
	boots, err := cfg.Boots.Boots()
	if err != nil {
		return nil, fmt.Errorf("engine: read its boots: %w", err)
	}
	if boots < 0 {
		return nil, fmt.Errorf("engine: it was started %d times", boots)
	}
	e.boots = latched
	if boots < latched {
		e.boots = boots + 1
	}
	if err := cfg.Boots.StoreBoots(e.boots); err != nil {
		return nil, fmt.Errorf("engine: store its boots: %w", err)
	}
	e.started = time.Now()
	return e, nil
}

// ID is the engine's id.
func (e *Engine) ID() []byte { return append([]byte(nil), e.id...) }

// Now gives the engine's boots, and the seconds since the last. A clock that
// has run for 68 years stops.
func (e *Engine) Now() (boots, clock int32) {
	s := time.Since(e.started) / time.Second
	return e.boots, int32(min(s, math.MaxInt32))
}

// Refused is how many messages the engine has refused for that reason.
func (e *Engine) Refused(f Fault) uint64 { return e.faults[f].Load() }

// Refuse counts a message that is refused for a reason that is found after
// Open, and gives the reason back.
func (e *Engine) Refuse(f Fault) Fault {
	e.faults[f].Add(1)
	return f
}

func (e *Engine) String() string { return hex.EncodeToString(e.id) }

// Exchange is one message to an engine and what is needed to answer it. It can
// be used again and again.
type Exchange struct {
	Envelope Envelope
	Scope    Scope
	// User is whose message it is, nil if it was refused before that was
	// known. Its level is what is demanded, Flags.Level what was sent.
	User *User
	// Clear is the scoped PDU in clear.
	Clear []byte

	keys   *usm.Keys
	answer Envelope
	scope  Scope
	report Message
}

// MAC is the message's, by which an authentic one can be told from all others;
// it is empty for one in clear. It aliases the datagram, given as b.
func (x *Exchange) MAC(b []byte) []byte {
	return b[x.Envelope.mac : x.Envelope.mac+x.Envelope.macLen]
}

// Open judges the message in datagram b, which is changed where it was
// encrypted, and takes its PDU apart into m (RFC 3414, section 3.2; RFC 3412,
// section 7.2). An error is a *SyntaxError, wraps ErrVersion, or is a Fault,
// which has been counted and which Report may tell the sender.
func (e *Engine) Open(b []byte, x *Exchange, m *Message) error {
	x.User, x.keys, x.Clear = nil, nil, nil
	x.Scope = Scope{}
	if err := x.Envelope.Decode(b); err != nil {
		// Such a message is discarded without a Report (RFC 3412, section
		// 7.2, steps 4 and 5).
		switch {
		case errors.Is(err, ErrSecurityModel):
			return e.Refuse(UnknownSecurityModel)
		case errors.Is(err, ErrFlags):
			return e.Refuse(InvalidMsg)
		}
		return err
	}
	if string(x.Envelope.EngineID) != string(e.id) { // step 3
		return e.Refuse(UnknownEngineID)
	}
	account := e.users[string(x.Envelope.User)] // step 4
	if account == nil {
		return e.Refuse(UnknownUserName)
	}
	x.keys = account.keys
	level := x.Envelope.Flags.Level()
	if level > account.keys.Level() { // step 5
		return e.Refuse(UnsupportedSecLevel)
	}
	x.Clear = x.Envelope.data
	padding := 0
	if level >= usm.AuthNoPriv {
		if !account.keys.Verify(b, x.Envelope.mac, x.Envelope.macLen) { // step 6
			return e.Refuse(WrongDigest)
		}
		boots, clock := e.Now() // step 7 a
		if boots == latched || x.Envelope.Boots != boots || abs(int64(x.Envelope.Time)-int64(clock)) > window {
			return e.Refuse(NotInTimeWindow)
		}
	}
	if level == usm.AuthPriv { // step 8
		if err := account.keys.Decrypt(x.Envelope.data, x.Envelope.Boots, x.Envelope.Time, x.Envelope.salt); err != nil {
			return e.Refuse(DecryptionError)
		}
		padding = account.keys.Padding()
	}
	if err := m.decodeScoped(x.Clear, &x.Scope, padding); err != nil {
		if level == usm.AuthPriv {
			// Its sender signed it: this is what other keys make of it.
			return e.Refuse(DecryptionError)
		}
		return err
	}
	x.User = &account.User
	switch {
	case m.Verb == mib.VerbInform || m.Verb == mib.VerbTrap:
		// Their context is one of the sender's.
	case string(x.Scope.EngineID) != string(e.id): // RFC 3412, section 4.2.2.1
		return e.Refuse(UnknownPDUHandler)
	case len(x.Scope.Name) != 0:
		return e.Refuse(UnknownContext)
	}
	return nil
}

func abs(n int64) int64 { return max(n, -n) }

// Answer encodes the response m to the message in x after what is in b, as
// safe as that was.
func (e *Engine) Answer(b []byte, x *Exchange, m *Message) ([]byte, error) {
	return e.seal(b, x, &x.Scope, m, x.Envelope.Flags.Level())
}

func (e *Engine) seal(b []byte, x *Exchange, s *Scope, m *Message, level usm.Level) ([]byte, error) {
	a := &x.answer
	a.ID, a.MaxSize, a.Flags = x.Envelope.ID, MaxMessage, flagsOf(level)
	a.EngineID, a.User = e.id, x.Envelope.User
	a.Boots, a.Time = e.Now()
	return a.Append(b, s, m, x.keys)
}

// Report encodes, after what is in b, the Report that the sender of the
// message in x is owed for the fault that Open returned. It reports whether
// there is one: only what wants an answer gets one (RFC 3412, section 7.1,
// step 3), and never a message of another security model.
func (e *Engine) Report(b []byte, x *Exchange, f Fault) ([]byte, bool) {
	if f == UnknownSecurityModel || f == InvalidMsg {
		return b, false
	}
	m := &x.report
	requestID := int32(0)
	// The PDU says whether an answer is wanted; where it cannot be read, the
	// flag does.
	readable := f == UnknownPDUHandler || f == UnavailableContext || f == UnknownContext || x.Envelope.Flags&FlagPriv == 0
	if f == DecryptionError {
		readable = false
	}
	if readable && m.decodeScoped(x.Envelope.data, &x.scope, 8) == nil {
		switch m.Verb {
		case mib.VerbGet, mib.VerbGetNext, mib.VerbGetBulk, mib.VerbSet, mib.VerbInform:
		default:
			return b, false
		}
		requestID = m.RequestID
	} else if x.Envelope.Flags&FlagReportable == 0 {
		return b, false
	}
	m.Version = V3
	m.PDU = PDU{Verb: mib.VerbReport, RequestID: requestID, Vars: append(m.Vars[:0],
		mib.Variable{Name: f.OID().Append(0), Value: mib.Counter32(uint32(e.faults[f].Load()))})}
	x.scope = Scope{EngineID: e.id}
	level := f.level(x.Envelope.Flags.Level())
	b, err := e.seal(b, x, &x.scope, m, level)
	return b, err == nil
}
