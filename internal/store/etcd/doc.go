// Package etcd keeps what managers must not lose in etcd, so that several can
// share it: one leads and writes, the others stand by and take over. It
// elects the leader, too. Of etcd's client only this package knows.
//
// # Leadership
//
// A [Member] is one of the managers. It holds a lease, and below PREFIX/leader
// a key that ends with the lease; the key that was created first leads. Every
// write of the [Store] is an etcd transaction that compares the creation
// revision of the leader's key, so that it happens only while the key is
// there (docs/protocol.md, CondStore). Besides, the leader knows by its own
// clock until when its lease lives at least ([Member.Held]): counted from
// when it sent the last renewal that was answered. It acts no longer.
//
// # The journal
//
// Each write is one key PREFIX/journal/SEQ, a packed [store.Change] with all
// that belongs together: changed nodes, ledgers, cursors and the samples that
// they speak of (OneTxn). So a write is one etcd transaction with one put,
// whatever it holds, and etcd's limit of 128 operations is none. A change
// above maxValue is written in pieces below PREFIX/piece/SEQ first, each under
// the same conditions; it happens when the key in the journal is put, which
// says how many pieces there are.
//
// A write compares, too, that the journal ends where this leader believes: a
// write whose answer was lost, and that is still on its way, comes to nothing
// once another was made.
//
// # The snapshot
//
// From time to time the leader writes the parts that have changed
// ([store.Part]) below PREFIX/state, and then to PREFIX/state/upto which entry
// of the journal they contain. Entries are absolute, so that a snapshot that
// is newer than upto does no harm: the journal after upto is done once more.
// Who takes over reads the parts, and the journal from there on.
//
// # Samples
//
// The history of samples is too much for etcd: 512 of each node are 80 MB for
// a thousand. In etcd they are only in the journal, for some minutes
// ([Limits]). Each manager, leading or standing by, follows the journal and
// keeps their history in a file of its own. So samples, filled slots and
// cursor are one transaction, and who takes over has the history. A manager
// that was away for longer than the journal reaches back has a gap in its
// history, not in the state.
package etcd
