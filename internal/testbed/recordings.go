package testbed

import (
	"os"
	"path/filepath"
	"testing"
)

// Recordings gives the files of recorded devices (snmprec), which are not part
// of the repository: from the directory that SIMONE_DEVICES names, else from
// shared/devices beside the clone. Without any the test is skipped.
func Recordings(tb testing.TB) []string {
	tb.Helper()
	dir := os.Getenv("SIMONE_DEVICES")
	for up := ".."; dir == "" && len(up) < 20; up = filepath.Join(up, "..") {
		if _, err := os.Stat(filepath.Join(up, "go.mod")); err == nil {
			dir = filepath.Join(up, "..", "shared", "devices")
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.snmprec*"))
	if err != nil || len(files) == 0 {
		tb.Skipf("there are no recordings in %q; have SIMONE_DEVICES name a directory with some", dir)
	}
	return files
}
