package config

import (
	"io/fs"

	"simone/sim/scenario"
)

// Sim is a scenario of the simulator.
type Sim struct {
	scenario.Parameters `yaml:",inline"`
}

func (s *Sim) finish(string, fs.FileMode) Problems { return nil }

func (s *Sim) problems() (ps Problems) {
	for _, f := range s.Faults() {
		ps.add(f.Key, "%s", f.Text)
	}
	return ps
}
