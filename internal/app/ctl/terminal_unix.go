//go:build unix

package ctl

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// terminalSize gives the size of the terminal that w writes to, and whether
// it is one.
func terminalSize(w io.Writer) (columns, lines int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile {
		return 0, 0, false
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, false
	}
	return int(size.Col), int(size.Row), true
}
