package mib

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// SupportRow is what a parent says of a node that a manager is to look after:
// the writable part of a simoneSupportTable row.
type SupportRow struct {
	Node       NodeID
	Epoch      Epoch
	Slot       uint32        // the first slot to poll
	Due        time.Duration // from the arrival of the SET until that slot
	Interval   time.Duration // between slots
	Kind       Kind
	Name       string
	Address    string // host:port or [host]:port
	Profile    string // what to read: a name the manager must hold
	Credential string // how to ask: a name the manager must hold, never a secret
	Zone       string // where Address is reachable
	Candidate  bool   // it may become an ILM
}

// Tombstone says that a node was taken away at an epoch: rows at or below it
// are gone and are not to come back.
type Tombstone struct {
	Node  NodeID
	Epoch Epoch
}

// MaxApply is the most octets that one simoneIlmApply may have, so that a
// control SET fits an Ethernet frame with USM and the fence around it.
const MaxApply = 1300

// Apply is the content of a simoneIlmApply: rows to stage and rows to
// destroy, done together or not at all.
type Apply struct {
	Stage   []SupportRow
	Destroy []Tombstone
}

const (
	applyVersion = 1
	opStage      = 1
	opDestroy    = 2

	kindCandidate = 0x80 // beside the kind
)

// Append packs the rows. Times are rounded to milliseconds.
func (a Apply) Append(b []byte) []byte {
	b = append(b, applyVersion)
	for i := range a.Stage {
		b = a.Stage[i].append(b)
	}
	for _, t := range a.Destroy {
		b = append(b, opDestroy)
		b = binary.AppendUvarint(b, uint64(t.Node))
		b = appendEpoch(b, t.Epoch)
	}
	return b
}

func (r *SupportRow) append(b []byte) []byte {
	b = append(b, opStage)
	b = binary.AppendUvarint(b, uint64(r.Node))
	b = appendEpoch(b, r.Epoch)
	b = binary.AppendUvarint(b, uint64(r.Slot))
	b = binary.AppendVarint(b, r.Due.Milliseconds())
	b = binary.AppendUvarint(b, uint64(max(r.Interval.Milliseconds(), 0)))
	kind := byte(r.Kind)
	if r.Candidate {
		kind |= kindCandidate
	}
	b = append(b, kind)
	for _, s := range [...]string{r.Name, r.Address, r.Profile, r.Credential, r.Zone} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// Len is how many octets the packed row takes inside an Apply.
func (r *SupportRow) Len() int { return len(r.append(make([]byte, 0, 96))) }

func appendEpoch(b []byte, e Epoch) []byte {
	for _, n := range e {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

var errShort = errors.New("the octets end in the middle of a field")

// reader takes fields off a packed octet string; the first error sticks.
type reader struct {
	b   []byte
	err error
}

func (r *reader) uvarint(limit uint64, what string) uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	switch {
	case n <= 0:
		r.err = errShort
	case v > limit:
		r.err = fmt.Errorf("%s %d is above %d", what, v, limit)
	default:
		r.b = r.b[n:]
		return v
	}
	return 0
}

func (r *reader) varint() int64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.err = errShort
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if r.err == nil && len(r.b) == 0 {
		r.err = errShort
	}
	if r.err != nil {
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) bytes(limit uint64, what string) []byte {
	n := r.uvarint(limit, "length of "+what)
	if r.err == nil && uint64(len(r.b)) < n {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) epoch() (e Epoch) {
	for i := range e {
		e[i] = uint32(r.uvarint(1<<32-1, "epoch"))
	}
	return e
}

// ParseApply unpacks the content of a simoneIlmApply.
func ParseApply(b []byte) (Apply, error) {
	var a Apply
	if len(b) > MaxApply {
		return a, fmt.Errorf("simoneIlmApply has %d octets; at most %d are allowed", len(b), MaxApply)
	}
	r := reader{b: b}
	if v := r.byte(); r.err == nil && v != applyVersion {
		return a, fmt.Errorf("simoneIlmApply is of version %d; this agent reads version %d", v, applyVersion)
	}
	for n := 1; r.err == nil && len(r.b) > 0; n++ {
		switch op := r.byte(); op {
		case opStage:
			const maxMS = 1 << 40
			row := SupportRow{
				Node:  NodeID(r.uvarint(1<<32-1, "node")),
				Epoch: r.epoch(),
				Slot:  uint32(r.uvarint(1<<32-1, "slot")),
			}
			due := r.varint()
			if r.err == nil && (due > maxMS || due < -maxMS) {
				r.err = fmt.Errorf("due %d ms is out of range", due)
			}
			row.Due = time.Duration(due) * time.Millisecond
			row.Interval = time.Duration(r.uvarint(maxMS, "interval")) * time.Millisecond
			kind := r.byte()
			row.Kind, row.Candidate = Kind(kind&^kindCandidate), kind&kindCandidate != 0
			row.Name = string(r.bytes(255, "name"))
			row.Address = string(r.bytes(255, "address"))
			row.Profile = string(r.bytes(255, "profile"))
			row.Credential = string(r.bytes(255, "credential"))
			row.Zone = string(r.bytes(255, "zone"))
			a.Stage = append(a.Stage, row)
		case opDestroy:
			a.Destroy = append(a.Destroy, Tombstone{NodeID(r.uvarint(1<<32-1, "node")), r.epoch()})
		default:
			if r.err == nil {
				r.err = fmt.Errorf("unknown operation %d", op)
			}
		}
		if r.err != nil {
			return Apply{}, fmt.Errorf("simoneIlmApply, row %d: %w", n, r.err)
		}
	}
	if r.err != nil {
		return Apply{}, fmt.Errorf("simoneIlmApply: %w", r.err)
	}
	return a, nil
}
