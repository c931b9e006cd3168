package snmp

import (
	"errors"
	"fmt"

	"simone/internal/snmp/usm"
	"simone/mib"
)

// Flags are the msgFlags of a v3 message (RFC 3412, section 6.4).
type Flags byte

// The flags.
const (
	FlagAuth Flags = 1 << iota
	FlagPriv
	FlagReportable // the sender wants to know if the message is refused
)

// flagsOf are the flags of a level of security.
func flagsOf(l usm.Level) Flags {
	switch l {
	case usm.AuthPriv:
		return FlagAuth | FlagPriv
	case usm.AuthNoPriv:
		return FlagAuth
	}
	return 0
}

// Level is the level of security that the flags claim.
func (f Flags) Level() usm.Level {
	switch f & (FlagAuth | FlagPriv) {
	case FlagAuth | FlagPriv:
		return usm.AuthPriv
	case FlagAuth:
		return usm.AuthNoPriv
	}
	return usm.NoAuthNoPriv
}

// Sizes that RFC 3411, section 5, and RFC 3412, section 6, prescribe.
const (
	MinEngineID = 5
	MaxEngineID = 32
	MaxUserName = 32
	minMaxSize  = 484
	modelUSM    = 3
)

// ErrSecurityModel says that a v3 message is protected by something else than
// the user-based security model; ErrFlags that it claims privacy without
// authentication.
var (
	ErrSecurityModel = errors.New("security model not supported")
	ErrFlags         = errors.New("privacy without authentication")
)

// Envelope is a v3 message around its PDU: header and security parameters
// (RFC 3412, section 6; RFC 3414, section 2.4). Decode can be called again and
// again on the same Envelope.
type Envelope struct {
	ID      int32 // 0 or more
	MaxSize int32 // the most octets that the sender can take
	Flags   Flags

	EngineID []byte // the authoritative engine's; empty when it is looked for
	Boots    int32
	Time     int32 // seconds since the engine's last boot
	User     []byte

	mac    int    // the offset of the MAC in the message
	macLen int    // its octets as they came
	salt   []byte // the privacy parameters as they came
	data   []byte // the scoped PDU's element; encrypted if Flags says so
}

// Scope is what stands around the PDU itself and is encrypted with it.
type Scope struct {
	EngineID []byte // the engine that has the objects
	Name     []byte // of the context; empty is the only one that most have
}

// PeekVersion gives the version of what begins as an SNMP message does.
func PeekVersion(b []byte) (Version, bool) {
	r := reader{b: b, end: len(b)}
	if _, err := r.enter(tagSequence, ""); err != nil {
		return 0, false
	}
	v, err := r.integer("")
	return Version(v), err == nil
}

// peek is PeekVersion, and for v1 and v2c gives the request-id too.
func peek(b []byte) (v Version, id int32, ok bool) {
	r := reader{b: b, end: len(b)}
	if _, err := r.enter(tagSequence, ""); err != nil {
		return 0, 0, false
	}
	n, err := r.integer("")
	if v = Version(n); err != nil || v == V3 {
		return v, 0, err == nil
	}
	length, err := r.expect(tagOctetString, "")
	if err != nil {
		return v, 0, false
	}
	r.octets(length)
	if _, err := r.enter(byte(mib.VerbResponse), ""); err != nil {
		return v, 0, false
	}
	id, err = r.integer("")
	return v, id, err == nil
}

// Decode takes a datagram apart as far as it can be understood without keys.
// Octets alias b. Errors are a *SyntaxError, or wrap ErrVersion,
// ErrSecurityModel or ErrFlags.
func (e *Envelope) Decode(b []byte) error {
	r := reader{b: b, end: len(b)}
	outer, err := r.enter(tagSequence, "the message")
	if err != nil {
		return err
	}
	if r.end != len(b) {
		return r.fail(r.end, "%d octets too many after the message", len(b)-r.end)
	}
	version, err := r.integer("the version")
	if err != nil {
		return err
	}
	if Version(version) != V3 {
		return fmt.Errorf("%w: %v", ErrVersion, Version(version))
	}
	if err := e.decodeHeader(&r); err != nil {
		return err
	}
	if err := e.decodeParameters(&r); err != nil {
		return err
	}
	at := r.pos
	if e.Flags&FlagPriv == 0 {
		tag, length, err := r.header()
		if err != nil {
			return err
		}
		if tag != tagSequence {
			return r.fail(at, "the scoped PDU has tag 0x%02x, not 0x%02x", tag, tagSequence)
		}
		r.octets(length)
		e.data = b[at:r.pos:r.pos]
	} else {
		length, err := r.expect(tagOctetString, "the encrypted PDU")
		if err != nil {
			return err
		}
		e.data = r.octets(length)
	}
	return r.leave(outer, "the message")
}

func (e *Envelope) decodeHeader(r *reader) error {
	outer, err := r.enter(tagSequence, "the header")
	if err != nil {
		return err
	}
	if e.ID, err = r.natural("the message's id", 0); err != nil {
		return err
	}
	if e.MaxSize, err = r.natural("the largest message", minMaxSize); err != nil {
		return err
	}
	at := r.pos
	length, err := r.expect(tagOctetString, "the flags")
	if err != nil {
		return err
	}
	if length != 1 {
		return r.fail(at, "flags of %d octets, not 1", length)
	}
	e.Flags = Flags(r.octets(1)[0])
	model, err := r.natural("the security model", 1)
	if err != nil {
		return err
	}
	if err := r.leave(outer, "the header"); err != nil {
		return err
	}
	if model != modelUSM {
		return fmt.Errorf("%w: number %d", ErrSecurityModel, model)
	}
	if e.Flags&(FlagAuth|FlagPriv) == FlagPriv {
		return ErrFlags
	}
	return nil
}

func (e *Envelope) decodeParameters(r *reader) error {
	outside, err := r.enter(tagOctetString, "the security parameters")
	if err != nil {
		return err
	}
	outer, err := r.enter(tagSequence, "the security parameters")
	if err != nil {
		return err
	}
	if e.EngineID, err = r.short("the engine's id", MaxEngineID); err != nil {
		return err
	}
	if e.Boots, err = r.natural("the engine's boots", 0); err != nil {
		return err
	}
	if e.Time, err = r.natural("the engine's time", 0); err != nil {
		return err
	}
	if e.User, err = r.short("the user's name", MaxUserName); err != nil {
		return err
	}
	mac, err := r.short("the MAC", len(r.b))
	if err != nil {
		return err
	}
	e.mac, e.macLen = r.pos-len(mac), len(mac)
	if e.salt, err = r.short("the privacy parameters", len(r.b)); err != nil {
		return err
	}
	if err := r.leave(outer, "the security parameters"); err != nil {
		return err
	}
	return r.leave(outside, "the security parameters")
}

// natural reads an INTEGER from least to 2^31-1.
func (r *reader) natural(what string, least int32) (int32, error) {
	at := r.pos
	n, err := r.integer(what)
	if err == nil && n < least {
		err = r.fail(at, "%s is %d; at least %d is allowed", what, n, least)
	}
	return n, err
}

// short reads an OCTET STRING of at most so many octets, which alias the
// datagram.
func (r *reader) short(what string, most int) ([]byte, error) {
	at := r.pos
	length, err := r.expect(tagOctetString, what)
	if err != nil {
		return nil, err
	}
	if length > most {
		return nil, r.fail(at, "%s has %d octets; at most %d are allowed", what, length, most)
	}
	return r.octets(length), nil
}

// decodeScoped takes a scoped PDU in clear apart. Behind it may stand up to
// padding octets. Offsets in errors count from its beginning.
func (m *Message) decodeScoped(b []byte, s *Scope, padding int) error {
	m.Version, m.Community = V3, nil
	r := reader{b: b, end: len(b)}
	outer, err := r.enter(tagSequence, "the scoped PDU")
	if err != nil {
		return err
	}
	if behind := len(b) - r.end; behind > padding {
		return r.fail(r.end, "%d octets too many after the scoped PDU", behind)
	}
	if s.EngineID, err = r.short("the context's engine", MaxEngineID); err != nil {
		return err
	}
	if s.Name, err = r.short("the context's name", 255); err != nil {
		return err
	}
	if err := m.decodePDU(&r); err != nil {
		return err
	}
	return r.leave(outer, "the scoped PDU")
}

// Overhead is an upper bound for what the message takes besides its variables
// when it answers e.
func (e *Envelope) Overhead(s *Scope) int {
	const header = 4 + 3 + 2 + 6 + 6 + 3 + 3           // message, version, header and its four numbers
	const parameters = 2*4 + 6 + 6 + 2 + 48 + 2 + 8    // with a number of boots, a time, the longest MAC and a salt
	const scoped, padding, pdu = 4 + 4, 8, 4 + 3*6 + 4 // cipher text and scoped PDU, DES's padding, PDU and list
	return header + parameters + elementSize(len(e.EngineID)) + elementSize(len(e.User)) +
		scoped + padding + elementSize(len(s.EngineID)) + elementSize(len(s.Name)) + pdu
}

// Append encodes e with m's PDU in it after what is in b, encrypted and signed
// with keys as e.Flags says. It fails as Message.Append does, and when keys
// do not do for the level; b then is as it was. keys may be nil for
// noAuthNoPriv.
func (e *Envelope) Append(b []byte, s *Scope, m *Message, keys *usm.Keys) ([]byte, error) {
	if err := e.check(s, m, keys); err != nil {
		return b, err
	}
	sizes, err := m.sizes()
	if err != nil {
		return b, err
	}
	var salt [usm.SaltSize]byte
	macSize, saltSize := 0, 0
	scoped := elementSize(len(s.EngineID)) + elementSize(len(s.Name)) + elementSize(sizes.pdu)
	data := elementSize(scoped)
	sealed := data
	if e.Flags&FlagAuth != 0 {
		macSize = keys.MACSize()
	}
	if e.Flags&FlagPriv != 0 {
		saltSize = len(salt)
		sealed = keys.CipherSize(data)
	}
	parameters := elementSize(len(e.EngineID)) + 2 + signedSize(int64(e.Boots)) + 2 + signedSize(int64(e.Time)) +
		elementSize(len(e.User)) + elementSize(macSize) + elementSize(saltSize)
	header := 2 + signedSize(int64(e.ID)) + 2 + signedSize(int64(e.MaxSize)) + 3 + 3
	body := 3 + elementSize(header) + elementSize(elementSize(parameters)) + sealed
	if saltSize > 0 {
		body += elementSize(sealed) - sealed
	}
	if size := elementSize(body); size > MaxMessage {
		return b, fmt.Errorf("encode %d variables: %w: %d octets", len(m.Vars), ErrTooBig, size)
	}

	start := len(b)
	b = appendHeader(b, tagSequence, body)
	b = appendSigned(b, tagInteger, int64(V3))
	b = appendHeader(b, tagSequence, header)
	b = appendSigned(b, tagInteger, int64(e.ID))
	b = appendSigned(b, tagInteger, int64(e.MaxSize))
	b = append(b, tagOctetString, 1, byte(e.Flags))
	b = appendSigned(b, tagInteger, modelUSM)
	b = appendHeader(b, tagOctetString, elementSize(parameters))
	b = appendHeader(b, tagSequence, parameters)
	b = appendOctets(b, tagOctetString, e.EngineID)
	b = appendSigned(b, tagInteger, int64(e.Boots))
	b = appendSigned(b, tagInteger, int64(e.Time))
	b = appendOctets(b, tagOctetString, e.User)
	b = appendHeader(b, tagOctetString, macSize)
	mac := len(b) - start
	b = append(b, zeros[:macSize]...)
	if saltSize > 0 {
		salt = keys.Salt(e.Boots)
	}
	b = appendOctets(b, tagOctetString, salt[:saltSize])
	if saltSize > 0 {
		b = appendHeader(b, tagOctetString, sealed)
	}
	clear := len(b)
	b = appendHeader(b, tagSequence, scoped)
	b = appendOctets(b, tagOctetString, s.EngineID)
	b = appendOctets(b, tagOctetString, s.Name)
	b = m.appendPDU(b, sizes)
	if saltSize > 0 {
		b = append(b, zeros[:sealed-data]...)
		keys.Encrypt(b[clear:], e.Boots, e.Time, salt)
	}
	if macSize > 0 {
		keys.Sign(b[start:], mac)
	}
	return b, nil
}

// zeros stand where a MAC comes, and behind what DES encrypts.
const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func (e *Envelope) check(s *Scope, m *Message, keys *usm.Keys) error {
	switch m.Verb {
	case mib.VerbGet, mib.VerbGetNext, mib.VerbResponse, mib.VerbSet,
		mib.VerbGetBulk, mib.VerbInform, mib.VerbTrap, mib.VerbReport:
	default:
		return fmt.Errorf("encode: there is no PDU 0x%02x in %v", byte(m.Verb), V3)
	}
	switch {
	case e.ID < 0 || e.Boots < 0 || e.Time < 0 || e.MaxSize < minMaxSize:
		return fmt.Errorf("encode a v3 header: id %d, boots %d, time %d or largest message %d is out of range", e.ID, e.Boots, e.Time, e.MaxSize)
	case len(e.EngineID) > MaxEngineID || len(s.EngineID) > MaxEngineID || len(e.User) > MaxUserName || len(s.Name) > 255:
		return fmt.Errorf("encode a v3 header: an engine's id, a user's or a context's name is too long")
	case e.Flags&(FlagAuth|FlagPriv) == FlagPriv:
		return fmt.Errorf("encode a v3 header: %w", ErrFlags)
	case e.Flags&FlagAuth != 0 && (keys == nil || keys.Level() < e.Flags.Level()):
		return fmt.Errorf("encode a v3 message: there are no keys for %v", e.Flags.Level())
	}
	return nil
}
