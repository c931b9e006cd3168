package agent

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"simone/mib"
)

// The files of a node's state directory that are its agent's.
const (
	uuidFile  = "uuid"       // the node's identity, one line
	placeFile = "place.json" // where it stands in the tree
	lockFile  = "agent.lock" // held while the agent runs
)

// state is the durable part of a node. The zero state keeps nothing.
type state struct {
	dir  string
	lock *os.File
}

// openState makes the directory when missing and claims it for this process:
// two nodes with one identity would be refused by the TLM, or worse.
func openState(dir string) (*state, error) {
	if dir == "" {
		return &state{}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("state directory %s is in use by another process; give each node its own", dir)
		}
		return nil, fmt.Errorf("lock state directory %s: %w", dir, err)
	}
	return &state{dir: dir, lock: f}, nil
}

// close gives the directory free.
func (s *state) close() error {
	if s.lock == nil {
		return nil
	}
	f := s.lock
	s.lock = nil
	if err := f.Close(); err != nil {
		return fmt.Errorf("close state directory: %w", err)
	}
	return nil
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// uuid reads the node's UUID, or makes it.
func (s *state) uuid() (string, error) {
	if s.dir == "" {
		return newUUID(), nil
	}
	path := filepath.Join(s.dir, uuidFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		id := newUUID()
		if err := s.write(uuidFile, []byte(id+"\n")); err != nil {
			return "", fmt.Errorf("write the node's UUID: %w", err)
		}
		return id, nil
	}
	if err != nil {
		return "", fmt.Errorf("read the node's UUID: %w", err)
	}
	id := strings.ToLower(strings.TrimSpace(string(b)))
	if !uuidForm.MatchString(id) {
		return "", fmt.Errorf("%s holds no UUID; put the node's own back, or remove the file for the node to become a new one", path)
	}
	return id, nil
}

// newUUID makes a random UUID (RFC 9562, section 5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// storedPlace is the form of placeFile.
type storedPlace struct {
	ID       uint32             `json:"id"`
	Level    uint32             `json:"level"`
	Parent   string             `json:"parent"`
	ParentID uint32             `json:"parent_id"`
	Path     string             `json:"path"`
	Epoch    [mib.Levels]uint32 `json:"epoch"`
}

// place reads where the node stood when it stopped; the zero Place for one
// that has not joined.
func (s *state) place() (Place, error) {
	if s.dir == "" {
		return Place{}, nil
	}
	path := filepath.Join(s.dir, placeFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Place{}, nil
	}
	if err != nil {
		return Place{}, fmt.Errorf("read the node's place: %w", err)
	}
	var p storedPlace
	if err := json.Unmarshal(b, &p); err != nil {
		return Place{}, fmt.Errorf("read the node's place: %s: %w; remove the file for the node to join again", path, err)
	}
	return Place{mib.NodeID(p.ID), p.Level, p.Parent, mib.NodeID(p.ParentID), p.Path, p.Epoch}, nil
}

func (s *state) storePlace(p Place) error {
	if s.dir == "" {
		return nil
	}
	b, err := json.MarshalIndent(storedPlace{uint32(p.ID), p.Level, p.Parent, uint32(p.ParentID), p.Path, p.Epoch}, "", "  ")
	if err != nil {
		return fmt.Errorf("store the node's place: %w", err)
	}
	if err := s.write(placeFile, append(b, '\n')); err != nil {
		return fmt.Errorf("store the node's place: %w", err)
	}
	return nil
}

// write replaces a file at once: after a crash it is the old or the new one.
func (s *state) write(name string, data []byte) (err error) {
	f, err := os.CreateTemp(s.dir, name+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(s.dir, name)); err != nil {
		return err
	}
	// The new name is durable when the directory is. It stands there by now,
	// whatever comes of this; so the temporary file is not to be removed.
	dir, e := os.Open(s.dir)
	if e != nil {
		return nil
	}
	_ = dir.Sync()
	_ = dir.Close()
	return nil
}
