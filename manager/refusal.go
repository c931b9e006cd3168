package manager

import "simone/mib"

// Refused notes why a SET of objects beside the list's own was refused, so
// that simoneIlmError tells it as well: an error-status alone says little.
func (h *Host) Refused(e *mib.SetError) { h.refused(e) }

// Explained has what a handler refuses in test told by simoneIlmError.
func (h *Host) Explained(s mib.Setter) mib.Setter { return &explained{s, h} }

type explained struct {
	mib.Setter
	h *Host
}

// Test implements mib.Setter.
func (x *explained) Test(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	txn, refused := x.Setter.Test(vars)
	if refused != nil {
		x.h.refused(refused)
		return nil, refused
	}
	return txn, nil
}
