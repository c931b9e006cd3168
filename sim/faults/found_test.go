package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What hunts have found, shrunk, does not come back.
func TestFoundScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/found/*.scenario")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".scenario"), func(t *testing.T) {
			text, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer text.Close()
			s, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range Run(s, nil).Violations {
				t.Error(v)
			}
		})
	}
}
