// Package storetest holds what every store of a manager must do, as tests that
// the stores' own tests run, and values to write.
package storetest

import (
	"testing"

	"simone/mib"
	"simone/reconfig"
)

// Store is what stores have in common.
type Store interface {
	Load() (reconfig.State, error)
	Apply(reconfig.Txn) error
	LoadList() (reconfig.ListState, error)
	ApplyList(*reconfig.ListChange) error
	AddEntries([]reconfig.Entry) error
	Entries(after uint64, limit int) ([]Entry, error)
	Samples(node mib.NodeID, limit int) ([]reconfig.Stored, error)
	Settings() (map[string]string, error)
	SetSetting(name, value string) error
	SetSettings(put map[string]string, forget ...string) error
}

// Entry is an entry of the event table with its number.
type Entry = struct {
	Seq uint64
	reconfig.Entry
}

// Limits are those of the store under test; zeros are its defaults.
type Limits struct{ Samples, Entries int }

// Opener makes a new store, to the end of the test. reopen closes it, if it can
// be closed, and opens it again.
type Opener func(t *testing.T, limits Limits) (s Store, reopen func() Store)

// Run holds a kind of stores against all that is asked of them.
func Run(t *testing.T, open Opener) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Opener)
	}{
		{"EveryFieldSurvives", everyFieldSurvives},
		{"NewStoreIsEmpty", newStoreIsEmpty},
		{"SampleRing", sampleRing},
		{"EntryRing", entryRing},
		{"Settings", settings},
		{"SharesNoMemory", sharesNoMemory},
		{"ReadersBesideAWriter", readersBesideAWriter},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}
