package agent

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEngineBoots(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []int32{0, 1, 2, math.MaxInt32} {
		n := mustNode(t, NodeOptions{StateDir: dir})
		got, err := n.EngineBoots().Boots()
		if err != nil || got != want {
			t.Errorf("%d boots, not %d (%v)", got, want, err)
		}
		next := got + 1
		if got == 2 {
			next = math.MaxInt32
		}
		if got < math.MaxInt32 {
			if err := n.EngineBoots().StoreBoots(next); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, damaged := range []string{"", "many\n", "-1\n", "4294967296\n"} {
		t.Run("Damaged "+damaged, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, bootsFile), []byte(damaged), 0o600); err != nil {
				t.Fatal(err)
			}
			n := mustNode(t, NodeOptions{StateDir: dir})
			defer n.Close()
			if _, err := n.EngineBoots().Boots(); err == nil || !strings.Contains(err.Error(), bootsFile) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestUUIDOctets(t *testing.T) {
	n := mustNode(t, NodeOptions{StateDir: t.TempDir()})
	if b := n.UUIDOctets(); len(b) != 16 {
		t.Errorf("%d octets", len(b))
	}
	none := mustNode(t, NodeOptions{})
	if err := none.EngineBoots().StoreBoots(3); err != nil {
		t.Error(err)
	}
	if b, err := none.EngineBoots().Boots(); b != 0 || err != nil {
		t.Errorf("%d boots without a directory to keep them in (%v)", b, err)
	}
}
