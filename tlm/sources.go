package tlm

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"simone/internal/config"
)

// sources are where the inventory's entries stand: the configuration, and
// file_sd files, which are read again when they change. It is for one
// goroutine.
type sources struct {
	log   *slog.Logger
	files map[string]*sourceFile
}

// sourceFile is a file_sd file as it was last read.
type sourceFile struct {
	stamp   stamp
	entries []config.Inventory // of the last reading that succeeded
	failure string             // of the last reading, so that it is logged once
	empty   int                // how many looks in a row found it empty
}

// stamp tells whether a file has changed.
type stamp struct {
	modified time.Time
	size     int64
}

// entries gives all entries by name. Those of the configuration win over
// those of files, and those of a file over those of files that sort after it.
// A file that cannot be read keeps what it had: a mistake in it takes nobody
// out of the inventory. Only a file that is gone takes its entries along.
func (s *sources) entries(c *config.TLM) map[string]config.Inventory {
	all := make(map[string]config.Inventory)
	from := make(map[string]string)
	add := func(source string, entries []config.Inventory) {
		for _, e := range entries {
			if _, twice := all[e.Name]; twice {
				if from[e.Name] != source {
					s.log.Debug("an inventory entry stands in two places", "name", e.Name, "taken", from[e.Name], "ignored", source)
				}
				continue
			}
			all[e.Name], from[e.Name] = e, source
		}
	}
	add("configuration", c.Nodes)
	present := make(map[string]bool)
	for _, pattern := range c.FileSD {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			s.log.Warn("file_sd pattern", "pattern", pattern, "err", err)
		}
		for _, path := range paths {
			present[path] = true
		}
	}
	maps.DeleteFunc(s.files, func(path string, _ *sourceFile) bool { return !present[path] })
	for _, path := range slices.Sorted(maps.Keys(present)) {
		f := s.files[path]
		if f == nil {
			f = &sourceFile{}
			s.files[path] = f
		}
		if err := f.refresh(path); err != nil && err.Error() != f.failure {
			f.failure = err.Error()
			s.log.Error("file_sd file cannot be used; what it said before holds", "file", path, "err", err)
		}
		add(path, f.entries)
	}
	return all
}

// errEmpty says that a file has nothing in it, not even a list.
var errEmpty = errors.New("the file is empty; write [] to list nobody")

// refresh reads the file if it has changed. One that somebody is writing just
// now, which is empty or changes under the reading, is left for the next look.
func (f *sourceFile) refresh(path string) error {
	before, err := stampOf(path)
	if errors.Is(err, fs.ErrNotExist) { // between the listing and now
		return nil
	}
	if err != nil || before == f.stamp {
		return err
	}
	if before.size == 0 {
		f.empty++
		if f.empty > 1 {
			return fmt.Errorf("%s: %w", path, errEmpty)
		}
		return nil
	}
	f.empty = 0
	entries, failed := config.LoadFileSD(path)
	if after, err := stampOf(path); err != nil || after != before {
		return nil
	}
	f.stamp = before
	if failed != nil {
		return failed
	}
	f.entries, f.failure = entries, ""
	return nil
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, fmt.Errorf("look at file_sd file: %w", err)
	}
	return stamp{info.ModTime(), info.Size()}, nil
}
