package reconfig

// Paper is document 001's rule as SIM.md fixes its choices.
type Paper struct{}

// Name implements Policy.
func (Paper) Name() string { return "paper" }

// Decide implements Policy.
func (Paper) Decide(v View) []Transformation { return nil }
