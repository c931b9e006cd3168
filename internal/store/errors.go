package store

import (
	"errors"
	"fmt"
)

// Why a store cannot be used.
var (
	// ErrLocked says that another process has the file open.
	ErrLocked = errors.New("another process has it open")
	// ErrDamaged says that the file is not, or no longer, what was written.
	ErrDamaged = errors.New("the file is damaged")
	// ErrVersion says that the file is in a format of another release.
	ErrVersion = errors.New("the file is in another format")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("the store is closed")
)

// wayOut tells an operator what to do about a file that cannot be read.
// Nothing is lost but history: the rows are still at the ILMs.
const wayOut = "put a backup back with simonectl restore, or move the file aside and start again: the tree will be adopted from the ILMs, and an ILM gets its rows from its manager (history and changed settings are lost)"

// forbidden is for a file that may not be read or written; err names it.
func forbidden(err error) error {
	return fmt.Errorf("store: %w: run this as the user that owns the file, or give it to that user (chown)", err)
}

func locked(path string) error {
	return fmt.Errorf("store %s: %w: stop that process, or give this one a state directory of its own", path, ErrLocked)
}

func damaged(path string, cause any) error {
	return fmt.Errorf("store %s: %w (%v): %s", path, ErrDamaged, cause, wayOut)
}

func wrongVersion(path string, have, want uint64) error {
	return fmt.Errorf("store %s: %w: it has version %d, this program reads %d: run the release that wrote it, or %s",
		path, ErrVersion, have, want, wayOut)
}
