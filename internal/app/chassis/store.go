package chassis

import (
	"fmt"
	"log/slog"

	"simone/internal/store"
)

// OpenStore opens a daemon's store. One that is large and mostly free is
// compacted first; if that fails it is used as it is.
func OpenStore(path string, log *slog.Logger) (*store.DB, error) {
	db, err := store.Open(path)
	if err != nil || !db.Space().Sparse() {
		return db, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	if before, after, err := store.Compact(path); err != nil {
		log.Warn("the store is mostly free and could not be compacted; it is used as it is", "store", path, "err", err)
	} else {
		log.Info("the store was mostly free and has been compacted", "store", path, "before", octets(before), "after", octets(after))
	}
	return store.Open(path)
}

// octets is a size for people.
func octets(n int64) string { return fmt.Sprintf("%d KiB", (n+1023)>>10) }
