package store

import (
	"archive/tar"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"simone/reconfig"
)

// earlier unpacks the state directories that the daemons of commit 85e6045
// left behind: of a TLM and six nodes after a quarter of a minute, with two
// ILMs, one node pinned, one drained and dead, a threshold changed by SET; and
// expected.json, what that commit's own code reads from the stores.
func earlier(t *testing.T) (dir string) {
	t.Helper()
	f, err := os.Open("testdata/state-85e6045.tar.gz.base64")
	must(t, err)
	defer f.Close()
	plain, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, f))
	must(t, err)
	dir = t.TempDir()
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		must(t, err)
		to := filepath.Join(dir, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			must(t, os.MkdirAll(to, 0o700))
			continue
		}
		content, err := io.ReadAll(r)
		must(t, err)
		must(t, os.WriteFile(to, content, 0o600))
	}
}

// TestStoresOfAnEarlierCommit: whatever the code of that commit read from its
// stores, today's reads too. What is new since may be there beside it.
func TestStoresOfAnEarlierCommit(t *testing.T) {
	dir := earlier(t)
	b, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	must(t, err)
	var members map[string]any
	must(t, json.Unmarshal(b, &members))
	if len(members) != 7 {
		t.Fatalf("the fixture has %d members", len(members))
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name, "node.db")
			if name == "tlm" {
				path = filepath.Join(dir, name, "tlm.db")
			}
			for range 2 { // the second time as today's code has left it
				have := everything(t, path)
				for _, missing := range lacking("", members[name], have) {
					t.Error(missing)
				}
			}
		})
	}
}

// everything is what a store says, as the code of the fixture wrote it down.
func everything(t *testing.T, path string) (all any) {
	t.Helper()
	d := mustOpen(t, path, Limits{})
	state, err := d.Load()
	must(t, err)
	list, err := d.LoadList()
	must(t, err)
	settings, err := d.Settings()
	must(t, err)
	entries, err := d.Entries(0, 0)
	must(t, err)
	counts := make(map[string]int)
	for id := range state.Nodes {
		samples, err := d.Samples(id, 0)
		must(t, err)
		counts[id.String()] = len(samples)
	}
	must(t, d.Apply(reconfig.Txn{Meta: &state.Meta}))
	must(t, d.Close())
	b, err := json.Marshal(map[string]any{"State": state, "List": list, "Settings": settings, "Entries": entries, "Samples": counts})
	must(t, err)
	must(t, json.Unmarshal(b, &all))
	return all
}

// lacking says what of want is not in have.
func lacking(at string, want, have any) (missing []string) {
	switch want := want.(type) {
	case map[string]any:
		m, ok := have.(map[string]any)
		if !ok && len(want) > 0 {
			return []string{fmt.Sprintf("%s: %v, want %v", at, have, want)}
		}
		for _, k := range slices.Sorted(maps.Keys(want)) {
			missing = append(missing, lacking(at+"/"+k, want[k], m[k])...)
		}
	case []any:
		l, ok := have.([]any)
		if !ok || len(l) != len(want) {
			return []string{fmt.Sprintf("%s: %v, want %v", at, have, want)}
		}
		for i := range want {
			missing = append(missing, lacking(fmt.Sprint(at, "/", i), want[i], l[i])...)
		}
	default:
		if want != have {
			missing = append(missing, fmt.Sprintf("%s: %v, want %v", at, have, want))
		}
	}
	return missing
}
