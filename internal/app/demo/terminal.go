package demo

import (
	"io"
	"strings"

	"golang.org/x/term"
)

// redraw puts text over what stood on the terminal, line by line so that
// nothing flickers, cut to the terminal's height.
func redraw(w io.Writer, text string, fd int) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if _, height, err := term.GetSize(fd); err == nil && len(lines) > height-1 {
		lines = lines[:height-1]
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for _, l := range lines {
		b.WriteString(l)
		b.WriteString("\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	_, _ = io.WriteString(w, b.String())
}
