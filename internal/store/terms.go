package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A manager's terms are counted in a small file beside its store as well: one
// number, written before the store is. The store may be put back from a
// backup, twice from the same one, or by cp; the file stays, and no term is
// used a second time (docs/protocol.md, TermJump).

// termFile is the file that counts the terms of a store.
func termFile(path string) string { return path + ".term" }

// readTerm gives the highest term that was begun with the store at path; 0 if
// that is not known.
func readTerm(path string) (uint32, error) {
	b, err := os.ReadFile(termFile(path))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, nil
	case errors.Is(err, os.ErrPermission):
		return 0, forbidden(err)
	case err != nil:
		return 0, fmt.Errorf("store: %w", err)
	}
	term, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("store %s: %w (it counts terms and holds no number): write a number into it that is above every term in the log, or remove it and start simone-tlm with -restored",
			termFile(path), ErrDamaged)
	}
	return uint32(term), nil
}

// writeTerm makes a term durable that is about to begin.
func writeTerm(path string, term uint32) error {
	if err := replaceFile(termFile(path), fmt.Appendln(nil, term)); err != nil {
		return fmt.Errorf("count the term: %w", err)
	}
	return nil
}

// replaceFile writes a file of mode 0600 at once: after a crash it is the old
// or the new one.
func replaceFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	_ = syncDir(filepath.Dir(path)) // it has its name by now, whatever comes of this
	return nil
}
