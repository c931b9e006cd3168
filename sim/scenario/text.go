package scenario

import (
	"fmt"
	"strconv"
	"strings"
)

// Thresholds are temperatures in stu, written as in the paper's Table 1:
// merge-split-migrate.
type Thresholds struct {
	Merge   float64 `yaml:"merge"`
	Split   float64 `yaml:"split"`
	Migrate float64 `yaml:"migrate"`
}

func (t Thresholds) String() string { return fmt.Sprintf("%g-%g-%g", t.Merge, t.Split, t.Migrate) }

// MarshalText implements encoding.TextMarshaler.
func (t Thresholds) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Thresholds) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), "-")
	var v [3]float64
	if len(parts) != len(v) {
		return fmt.Errorf("%q is not merge-split-migrate; write for example 0.1-17.5-500", text)
	}
	for i, p := range parts {
		x, err := strconv.ParseFloat(strings.TrimSpace(p), 64)
		if err != nil {
			return fmt.Errorf("%q is not a temperature in %q; write for example 0.1-17.5-500", p, text)
		}
		v[i] = x
	}
	*t = Thresholds{v[0], v[1], v[2]}
	return nil
}

// Share is a part of a whole, 0 to 1; true stands for 1, false for 0.
type Share float64

// MarshalText implements encoding.TextMarshaler.
func (s Share) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(s), 'g', -1, 64), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Share) UnmarshalText(text []byte) error {
	switch word := string(text); word {
	case "true":
		*s = 1
	case "false":
		*s = 0
	default:
		x, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return fmt.Errorf("%q is not a share; write a number from 0 to 1, true or false", word)
		}
		*s = Share(x)
	}
	return nil
}
