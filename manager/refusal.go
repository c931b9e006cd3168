package manager

import "simone/mib"

// Refused notes why a SET of objects beside the list's own was refused, so
// that simoneIlmError tells it as well: an error-status alone says little.
func (h *Host) Refused(e *mib.SetError) { h.refused(e) }
