package mib

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// NodeID is the number that the TLM gives a node and never reuses. Zero is
// no node; the TLM's own is 1.
type NodeID uint32

func (n NodeID) String() string { return strconv.FormatUint(uint64(n), 10) }

// Role is what a node does (simoneNodeRole).
type Role int32

// The roles. Wire numbers are never reused.
const (
	RoleLeaf Role = 1
	RoleILM  Role = 2
	RoleTLM  Role = 3
	// RoleStandby is a top-level manager that waits to take over.
	RoleStandby Role = 4
)

func (r Role) String() string {
	switch r {
	case RoleLeaf:
		return "leaf"
	case RoleILM:
		return "ilm"
	case RoleTLM:
		return "tlm"
	case RoleStandby:
		return "standby"
	}
	return "role(" + strconv.Itoa(int(r)) + ")"
}

// LeadState is what a top-level manager is among those that share a store
// (simoneLeadState).
type LeadState int32

// The states.
const (
	Leading   LeadState = 1
	Standby   LeadState = 2
	Suspended LeadState = 3 // it led last, and cannot be sure of it any more
)

// Kind is what stands behind a support list row (simoneSupportKind).
type Kind int32

// The kinds of a row.
const (
	KindLeaf   Kind = 1 // a SIMONE node that manages nobody
	KindILM    Kind = 2 // a SIMONE node that manages a support list
	KindDevice Kind = 3 // a plain SNMP agent
)

func (k Kind) String() string {
	switch k {
	case KindLeaf:
		return "leaf"
	case KindILM:
		return "ilm"
	case KindDevice:
		return "device"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Levels is how many levels of managers an epoch can tell apart.
const Levels = 4

// Epoch orders the ownership of one node: one 32-bit count per level,
// compared from the top level down. The upper 16 bits of a level's count are
// the term of the manager at that level, so that a manager after a restart
// never meets an epoch of its own that it does not know (DESIGN section 5).
type Epoch [Levels]uint32

// EpochLen is the length of a packed epoch in octets.
const EpochLen = 4 * Levels

// Compare orders epochs; the newer one is greater.
func (e Epoch) Compare(f Epoch) int {
	for i := range e {
		if c := cmp.Compare(e[i], f[i]); c != 0 {
			return c
		}
	}
	return 0
}

// Less reports whether e is older than f.
func (e Epoch) Less(f Epoch) bool { return e.Compare(f) < 0 }

// IsZero reports whether e is the epoch of no row at all.
func (e Epoch) IsZero() bool { return e == Epoch{} }

// Term is the term of the level's manager in which the epoch was made.
func (e Epoch) Term(level int) uint32 { return e[level] >> 16 }

// Append packs the epoch in network byte order.
func (e Epoch) Append(b []byte) []byte {
	for _, n := range e {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// String shows each level as term.count and leaves off levels never used.
func (e Epoch) String() string {
	last := 0
	for i, n := range e {
		if n != 0 {
			last = i
		}
	}
	s := ""
	for i := 0; i <= last; i++ {
		if i > 0 {
			s += "/"
		}
		s += strconv.Itoa(int(e[i]>>16)) + "." + strconv.Itoa(int(e[i]&0xffff))
	}
	return s
}

// ParseEpoch unpacks an epoch from exactly EpochLen octets.
func ParseEpoch(b []byte) (Epoch, error) {
	var e Epoch
	if len(b) != EpochLen {
		return e, fmt.Errorf("an epoch has %d octets, not %d", EpochLen, len(b))
	}
	for i := range e {
		e[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return e, nil
}

// Fence stands at the head of every control SET (simoneIlmFence). It orders
// by (Own, Term, Seq); Parent is compared for equality only.
type Fence struct {
	Parent NodeID // the manager that writes
	Own    Epoch  // the epoch of the target's own row at that manager
	Term   uint32 // the manager's durable term
	Seq    uint32 // counts the manager's control SETs to this target in this term
}

// FenceLen is the length of a packed fence in octets.
const FenceLen = 4 + EpochLen + 4 + 4

// Compare orders fences by own epoch, term and sequence.
func (f Fence) Compare(g Fence) int {
	if c := f.Own.Compare(g.Own); c != 0 {
		return c
	}
	if c := cmp.Compare(f.Term, g.Term); c != 0 {
		return c
	}
	return cmp.Compare(f.Seq, g.Seq)
}

// Append packs the fence: parent, own epoch, term, sequence.
func (f Fence) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(f.Parent))
	b = f.Own.Append(b)
	b = binary.BigEndian.AppendUint32(b, f.Term)
	return binary.BigEndian.AppendUint32(b, f.Seq)
}

// ParseFence unpacks a fence from exactly FenceLen octets.
func ParseFence(b []byte) (Fence, error) {
	if len(b) != FenceLen {
		return Fence{}, fmt.Errorf("a fence has %d octets, not %d", FenceLen, len(b))
	}
	own, err := ParseEpoch(b[4 : 4+EpochLen])
	if err != nil {
		return Fence{}, err
	}
	return Fence{
		Parent: NodeID(binary.BigEndian.Uint32(b)),
		Own:    own,
		Term:   binary.BigEndian.Uint32(b[4+EpochLen:]),
		Seq:    binary.BigEndian.Uint32(b[8+EpochLen:]),
	}, nil
}

func (f Fence) String() string {
	return fmt.Sprintf("parent %d own %v term %d seq %d", f.Parent, f.Own, f.Term, f.Seq)
}

// Digest sums up a support list: how many rows, and the XOR of the hashes of
// their (NodeID, epoch). Equal digests mean equal lists, so a parent reads a
// child's rows only when the digest is not the one it expects.
type Digest struct {
	Count uint32
	XOR   uint64
}

// DigestLen is the length of a packed digest in octets.
const DigestLen = 12

// Toggle adds the row if it is not in the digest, and removes it if it is;
// the caller keeps Count.
func (d *Digest) toggle(n NodeID, e Epoch) {
	var b [4 + EpochLen]byte
	binary.BigEndian.PutUint32(b[:], uint32(n))
	e.Append(b[:4])
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	// FNV's low bits are weak for inputs that differ in one octet: mix.
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	d.XOR ^= h ^ h>>29
}

// Add puts a row into the digest.
func (d *Digest) Add(n NodeID, e Epoch) { d.Count++; d.toggle(n, e) }

// Remove takes a row out of the digest that Add put in.
func (d *Digest) Remove(n NodeID, e Epoch) { d.Count--; d.toggle(n, e) }

// AddNode takes a node into a digest of nodes, whatever their epochs.
func (d *Digest) AddNode(n NodeID) { d.Add(n, Epoch{}) }

// RemoveNode takes a node out of it.
func (d *Digest) RemoveNode(n NodeID) { d.Remove(n, Epoch{}) }

// Merge takes the rows or nodes of another digest into this one.
func (d *Digest) Merge(o Digest) { d.Count, d.XOR = d.Count+o.Count, d.XOR^o.XOR }

// Append packs the digest.
func (d Digest) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, d.Count)
	return binary.BigEndian.AppendUint64(b, d.XOR)
}

// ParseDigest unpacks a digest.
func ParseDigest(b []byte) (Digest, error) {
	if len(b) != DigestLen {
		return Digest{}, errors.New("a digest has 12 octets, not " + strconv.Itoa(len(b)))
	}
	return Digest{binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[4:])}, nil
}
