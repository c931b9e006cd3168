package trace

import (
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// What was recorded is what is read, whatever changes, joins and goes, through
// many files and restarts of the recorder.
func TestWhatIsRecordedIsRead(t *testing.T) {
	dir, chance := t.TempDir(), rand.New(rand.NewPCG(5, 6))
	r, err := NewRecorder(dir, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	nodes := make(map[mib.NodeID]Node)
	settings := Settings{Policy: "balance", Trigger: 10}
	var want []map[mib.NodeID]Node
	for i := range 300 {
		for range chance.IntN(4) {
			id := mib.NodeID(2 + chance.IntN(40))
			nodes[id] = Node{ID: id, Name: "n", Owner: mib.NodeID(1 + chance.IntN(4)), Load: float64(chance.IntN(5)), ILM: id < 4}
		}
		if chance.IntN(5) == 0 {
			delete(nodes, mib.NodeID(2+chance.IntN(40)))
		}
		if i == 150 {
			settings.Policy = "paper"
		}
		now := settings
		round := Round{At: start.Add(time.Duration(i) * 10 * time.Second), Settings: &now, ILMs: []ILM{{ID: 2, Temperature: float64(i)}}}
		for _, id := range slices.Sorted(maps.Keys(nodes)) {
			round.Nodes = append(round.Nodes, nodes[id])
		}
		if err := r.Add(round); err != nil {
			t.Fatal(err)
		}
		want = append(want, maps.Clone(nodes))
		if i%97 == 96 { // the process ends and starts again
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if r, err = NewRecorder(dir, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := Read(dir, start)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for m := range got.Replay {
		if !reflect.DeepEqual(m.Nodes, want[i]) {
			t.Fatalf("round %d: %v, want %v", i, m.Nodes, want[i])
		}
		if (m.Settings.Policy == "paper") != (i >= 150) || m.ILMs[0].Temperature != float64(i) {
			t.Fatalf("round %d: %+v", i, m)
		}
		i++
	}
	if i != 300 {
		t.Errorf("%d rounds of 300", i)
	}
	// The last rounds alone begin with the file that has them.
	late, err := Read(dir, start.Add(2900*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(late.Rounds); n > 70 || n < 10 {
		t.Errorf("%d rounds of the last hundred seconds", n)
	}
	a, err := late.AssignmentAt(start.Add(2955 * time.Second))
	if err != nil || !a.At.Equal(start.Add(2950*time.Second)) {
		t.Fatalf("%v, %v", a.At, err)
	}
	for id, n := range want[295] {
		if a.Owners[id] != n.Owner {
			t.Errorf("node %d: owner %d, want %d", id, a.Owners[id], n.Owner)
		}
	}
	if _, err := got.AssignmentAt(start.Add(-time.Second)); !errors.Is(err, ErrEmpty) {
		t.Errorf("before the record: %v", err)
	}
}

func TestOldFilesGo(t *testing.T) {
	dir := t.TempDir()
	r, err := NewRecorder(dir, 30*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	at := start
	for range 6 * 60 * 5 {
		if err := r.Add(Round{At: at, Nodes: []Node{{ID: 2, Owner: 1}}}); err != nil {
			t.Fatal(err)
		}
		at = at.Add(10 * time.Second)
	}
	files, err := parts(dir)
	if err != nil || len(files) > 5 {
		t.Errorf("%d files of ten minutes are kept (%v)", len(files), err)
	}
	if oldest := files[0].began; at.Sub(oldest) < 30*time.Minute {
		t.Errorf("only %v are kept", at.Sub(oldest))
	}
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	r, err := NewRecorder(dir, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := r.Add(Round{At: start.Add(time.Duration(i) * time.Second), Nodes: []Node{{ID: 2, Owner: 1}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	files, _ := parts(dir)
	whole, err := os.ReadFile(files[0].path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0].path, whole[:len(whole)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(dir, start); err != nil || len(got.Rounds) != 2 {
		t.Errorf("a torn last line: %v", err)
	}
	if err := os.WriteFile(files[0].path, append([]byte("no JSON\n"), whole...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir, start); err == nil || !strings.Contains(err.Error(), "line 1") || !strings.Contains(err.Error(), "remove the file") {
		t.Errorf("a line that is none: %v", err)
	}
	if _, err := Read(t.TempDir(), start); !errors.Is(err, ErrEmpty) {
		t.Errorf("no record at all: %v", err)
	}
	if _, err := Read(filepath.Join(dir, "none"), start); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}
