//go:build !unix

package ctl

import "io"

// terminalSize knows no terminals on this system: output is as in a pipe.
func terminalSize(io.Writer) (columns, lines int, ok bool) { return 0, 0, false }
