package store

import (
	"errors"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// Settings gives the settings that were changed by SET, by name. What is not
// there is as the configuration says.
func (d *DB) Settings() (settings map[string]string, err error) {
	err = d.guard("read settings", func() error {
		return d.bolt.View(func(tx *bolt.Tx) (err error) {
			settings, err = d.readSettings(tx)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return settings, nil
}

func (d *DB) readSettings(tx *bolt.Tx) (map[string]string, error) {
	settings := make(map[string]string)
	err := each(tx, bucketSettings, parseName, func(name string, k, v []byte) error {
		content, err := unseal(k, v)
		settings[name] = string(content)
		return err
	})
	return settings, err
}

func parseName(k []byte) (string, error) { return string(k), nil }

// SetSetting keeps one setting. A name must not be empty; a value may be.
func (d *DB) SetSetting(name, value string) error {
	return d.SetSettings(map[string]string{name: value})
}

// SetSettings keeps settings, and forgets others, together: what one SET says
// takes effect as a whole.
func (d *DB) SetSettings(put map[string]string, forget ...string) error {
	if err := CheckSettings(put, forget); err != nil {
		return err
	}
	return d.guard("set settings", func() error {
		return d.bolt.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketSettings)
			for name, value := range put {
				k := []byte(name)
				if err := b.Put(k, seal(k, append([]byte{recordVersion}, value...))); err != nil {
					return err
				}
			}
			for _, name := range forget {
				if err := b.Delete([]byte(name)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// CheckSettings says what is wrong with names of settings.
func CheckSettings(put map[string]string, forget []string) error {
	_, empty := put[""]
	if empty || slices.Contains(forget, "") {
		return errors.New("store: a setting without a name: name it as its object, for example simoneThresholdSplit")
	}
	return nil
}
