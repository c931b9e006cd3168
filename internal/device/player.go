package device

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// Config is how a Player is set up.
type Config struct {
	// Listen is where it answers. An unspecified address is every one of the
	// machine, each as good as a device of its own; port 0 takes any.
	Listen netip.AddrPort
	// Devices are what answers there, chosen by the community of a question.
	Devices []Device
	// User, if not nil, may ask with SNMPv3. There is one device then.
	User *snmp.User
	// Grow is by how much counters grow a second from when it begins to answer;
	// sysUpTime then goes on as well. With 0 they stand still, as all else does.
	Grow uint64
	// Faults are those of all its devices.
	Faults Faults
}

// Device is a recording and who may ask for it.
type Device struct {
	*Recording
	// Community is that of v1 and v2c; an empty one stands for any.
	Community snmp.Secret
}

// Stats counts what a Player did.
type Stats struct {
	Requests uint64 // that were meant for one of its devices
	Dropped  uint64 // of these, left unanswered by chance
	Ignored  uint64 // datagrams that were not: no SNMP, a community or user unknown
}

// Player answers for devices at one socket.
type Player struct {
	socket  *snmp.Socket
	devices []Device
	engine  *snmp.Engine // nil: v3 is not spoken
	chance  *chance
	late    *outbox
	writer  answerer

	// Used again for each question.
	question, response snmp.Message
	exchange           snmp.Exchange
	out                []byte

	requests, dropped, ignored atomic.Uint64
}

// New checks the configuration and binds the socket.
func New(cfg Config) (*Player, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("play: %w", err)
	}
	socket, err := snmp.OpenSocket(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("play: %w", err)
	}
	p := &Player{
		socket: socket, devices: slices.Clone(cfg.Devices), chance: newChance(cfg.Faults), late: newOutbox(socket),
		writer: answerer{most: cfg.Faults.TooBig, grow: cfg.Grow, began: time.Now()},
	}
	if cfg.User != nil {
		if p.engine, err = newEngine(socket.Addr(), cfg.Devices[0].Name, *cfg.User); err != nil {
			return nil, errors.Join(fmt.Errorf("play: %w", err), socket.Close())
		}
	}
	return p, nil
}

func (c *Config) validate() error {
	if len(c.Devices) == 0 {
		return errors.New("there is no device to play")
	}
	known := make(map[snmp.Secret]bool)
	for _, d := range c.Devices {
		switch {
		case d.Recording == nil:
			return errors.New("a device without a recording")
		case d.Community == "" && len(c.Devices) > 1:
			return fmt.Errorf("%s: it answers to every community; several devices at one address need one each", d.Name)
		case known[d.Community]:
			return fmt.Errorf("%s: another device answers to the same community", d.Name)
		}
		known[d.Community] = true
	}
	if c.User != nil && len(c.Devices) > 1 {
		return errors.New("with SNMPv3 each device needs an address of its own")
	}
	return c.Faults.Validate()
}

// newEngine makes an engine whose id is the same when the same is played at
// the same address again.
func newEngine(at netip.AddrPort, name string, user snmp.User) (*snmp.Engine, error) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%v %s", at, name)
	id, err := snmp.EngineID(h.Sum(nil))
	if err != nil {
		return nil, err
	}
	return snmp.NewEngine(snmp.EngineConfig{ID: id, Boots: clock{}, Users: []snmp.User{user}})
}

// clock makes boots of the time: more with each start, and nothing to keep.
type clock struct{}

// Boots gives the minutes since 2020.
func (clock) Boots() (int32, error) {
	return int32(time.Since(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)) / time.Minute), nil
}

func (clock) StoreBoots(int32) error { return nil }

// Addr is where it answers.
func (p *Player) Addr() netip.AddrPort { return p.socket.Addr() }

// Stats gives the counters.
func (p *Player) Stats() Stats {
	return Stats{Requests: p.requests.Load(), Dropped: p.dropped.Load(), Ignored: p.ignored.Load()}
}

// Run answers until ctx ends, closes the socket and returns nil.
func (p *Player) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var sender sync.WaitGroup
	sender.Go(func() { p.late.run(ctx) })
	err := p.socket.Serve(ctx, p.handle)
	cancel()
	sender.Wait()
	if err = errors.Join(err, p.socket.Close()); err != nil {
		return fmt.Errorf("play: %w", err)
	}
	return nil
}

// handle deals with one datagram.
func (p *Player) handle(b []byte, d snmp.Datagram, truncated bool) {
	known, owed := false, false
	if !truncated {
		if v, ok := snmp.PeekVersion(b); ok && v == snmp.V3 && p.engine != nil {
			known, owed = p.answerV3(b)
		} else {
			known, owed = p.answer(b)
		}
	}
	switch {
	case !known:
		p.ignored.Add(1)
		return
	case p.chance.happens(p.chance.Loss):
		p.dropped.Add(1)
		owed = false
	}
	p.requests.Add(1)
	if owed {
		p.send(d)
	}
}

// answer makes an answer of v1 or v2c in p.out. It reports whether the
// question is for one of the devices, and whether there is an answer.
func (p *Player) answer(b []byte) (known, owed bool) {
	q := &p.question
	if q.Decode(b) != nil {
		return false, false
	}
	i := slices.IndexFunc(p.devices, func(d Device) bool { return d.Community == "" || string(d.Community) == string(q.Community) })
	if i < 0 {
		return false, false
	}
	if !p.writer.answer(q, &p.response, p.devices[i].Recording, snmp.MaxMessage-snmp.Overhead(q.Community)) {
		return false, false
	}
	var err error
	p.out, err = p.response.Append(p.out[:0])
	return true, err == nil
}

// answerV3 is answer for v3. A Report is an answer too.
func (p *Player) answerV3(b []byte) (known, owed bool) {
	q, x := &p.question, &p.exchange
	err := p.engine.Open(b, x, q)
	if fault, ok := errors.AsType[snmp.Fault](err); ok {
		p.out, owed = p.engine.Report(p.out[:0], x, fault)
		return owed, owed
	}
	if err != nil {
		return false, false
	}
	if x.Envelope.Flags.Level() < x.User.Level {
		q.Vars = q.Vars[:min(1, len(q.Vars))]
		p.response.PDU = snmp.PDU{Verb: mib.VerbResponse, RequestID: q.RequestID, Status: mib.AuthorizationError, Index: len(q.Vars), Vars: q.Vars}
	} else if !p.writer.answer(q, &p.response, p.devices[0].Recording, min(snmp.MaxMessage, int(x.Envelope.MaxSize))-x.Envelope.Overhead(&x.Scope)) {
		return false, false
	}
	p.response.Version = snmp.V3
	p.out, err = p.engine.Answer(p.out[:0], x, &p.response)
	return true, err == nil
}

// send sends what is in p.out as well as the faults let it.
func (p *Player) send(d snmp.Datagram) {
	wait := p.chance.wait()
	if p.chance.happens(p.chance.Garbage) {
		p.post(wait, p.chance.spoil(p.out), d)
	}
	p.post(wait, p.out, d)
	if p.chance.happens(p.chance.Duplicate) {
		p.post(wait, p.out, d)
	}
}

func (p *Player) post(wait time.Duration, b []byte, d snmp.Datagram) {
	if wait == 0 {
		_ = p.socket.Answer(b, d) // what cannot be sent is lost
		return
	}
	p.late.add(time.Now().Add(wait), b, d)
}
