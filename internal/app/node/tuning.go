package node

import (
	"encoding/json"
	"slices"

	"simone/internal/store"
	"simone/manager"
)

// tuning is the temperature's formula: the configured one, until a SET changes
// it; what was SET holds over restarts until the configuration changes.
type tuning struct {
	now  manager.Tuning
	keep func(manager.Tuning) error
}

func openTuning(db *store.DB, configured manager.Tuning) (tuning, error) {
	t := tuning{now: configured}
	kept, err := db.Settings()
	if err != nil {
		return t, err
	}
	from, err := json.Marshal(configured)
	if err != nil {
		return t, err
	}
	if kept["tuning.configured"] == string(from) {
		var was manager.Tuning
		if err := json.Unmarshal([]byte(kept["tuning"]), &was); err == nil && was.Validate() == nil {
			t.now = was
		}
	}
	t.keep = func(set manager.Tuning) error {
		if equal(set, configured) {
			return db.SetSettings(nil, "tuning", "tuning.configured")
		}
		text, err := json.Marshal(set)
		if err != nil {
			return err
		}
		return db.SetSettings(map[string]string{"tuning": string(text), "tuning.configured": string(from)})
	}
	return t, nil
}

func equal(a, b manager.Tuning) bool {
	return a.WeightA == b.WeightA && a.WeightB == b.WeightB && a.Expression == b.Expression && a.STU == b.STU &&
		slices.Equal(a.History, b.History)
}
