package manager

import (
	"simone/mib"
	"simone/reconfig"
)

// toldKnobs are the knobs of what a manager tells the ILMs below it of its
// settings. On the TLM the last one asks the engine; here it is a setting.
func toldKnobs() []Knob {
	return append(ruleKnobs(), truthKnob(mib.SimoneReconfigPaused, func(s *reconfig.Settings) *bool { return &s.Paused }))
}

// settings are what the parent has told this node, for an engine; and whether
// the node is an ILM.
func (h *Host) settings() (reconfig.Settings, bool) {
	told, active := h.Told()
	return told.Of(active), active
}

// ruleScalars are the objects of simoneReconfig that the parent writes; none
// at the top.
func (h *Host) ruleScalars() []mib.Scalar {
	if h.isTop() {
		return nil
	}
	var scalars []mib.Scalar
	for _, k := range toldKnobs() {
		scalars = append(scalars, mib.Scalar{OID: k.Object, Read: func() mib.Value {
			s, _ := h.settings()
			return k.Read(&s)
		}})
	}
	return scalars
}

// appendRules puts rules on the wire.
func appendRules(vars []mib.Variable, r reconfig.Rules) []mib.Variable {
	s := r.Over(reconfig.DefaultSettings())
	for _, k := range toldKnobs() {
		vars = append(vars, mib.Variable{Name: mib.Instance(k.Object), Value: k.Read(&s)})
	}
	return vars
}

// decodeRules takes what a SET says of the rules over those that hold.
func (w *wish) decodeRules(told *reconfig.IlmSettings) *mib.SetError {
	if len(w.rules) == 0 {
		return nil
	}
	s := told.Rules.Over(reconfig.DefaultSettings())
	knobs := toldKnobs()
	for _, at := range w.rules {
		v := w.vars[at]
		for _, k := range knobs {
			if !v.Name.HasPrefix(k.Object) {
				continue
			}
			if err := k.Write(&s, v.Value); err != nil {
				return mib.Refuse(mib.WrongValue, at, "%s: %v", mib.NameOf(v.Name), err)
			}
		}
	}
	if err := s.Validate(); err != nil {
		at := w.rules[len(w.rules)-1]
		return mib.Refuse(mib.WrongValue, at, "%s: %v", mib.NameOf(w.vars[at].Name), err)
	}
	told.Rules = s.Rules()
	return nil
}

// ruled is the group simoneReconfig of a node below the top, whose settings
// the manager above tells.
func (h *Host) ruled(events EntryStore) *Reconfig {
	g := &Reconfig{Host: h, Conductor: h.conductor, Events: events, Settings: func() reconfig.Settings {
		s, _ := h.settings()
		s.MaxILMs = max(s.MaxILMs, 0)
		return s
	}}
	for _, k := range Knobs() {
		if k.Object.Equal(mib.SimoneReconfigIlmsMin) || k.Object.Equal(mib.SimoneReconfigIlmsMax) {
			g.Knobs = append(g.Knobs, k)
		}
	}
	return g
}

// conductor hosts the engine of a Deep; nil without one.
func (h *Host) conductor() *Conductor {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.deep == nil {
		return nil
	}
	return h.deep.conductor
}
