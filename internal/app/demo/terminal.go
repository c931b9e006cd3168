package demo

import (
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// terminal is where the screen is drawn; the zero terminal is none.
type terminal struct {
	w  io.Writer
	fd int
	on bool
}

// terminalOf finds the terminal behind a writer, if there is one that can be
// drawn on.
func terminalOf(w io.Writer) terminal {
	f, isFile := w.(*os.File)
	if !isFile || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return terminal{w: w}
	}
	return terminal{w, int(f.Fd()), true}
}

// size gives columns and rows; a terminal that does not say has 80 by 24.
func (t terminal) size() (width, height int) {
	width, height, err := term.GetSize(t.fd)
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// redraw puts lines over what stood on the terminal, line by line so that
// nothing flickers. The last row stays free for the cursor.
func (t terminal) redraw(lines []string) error {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for _, l := range lines {
		b.WriteString(l)
		b.WriteString("\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(t.w, b.String())
	return err
}

// cut shortens a line to a width, colours not counted, and ends it with an
// ellipsis then. Every rune counts as one column.
func cut(line string, width int) string {
	var b strings.Builder
	columns, inColour, coloured := 0, false, false
	total := visible(line)
	for _, r := range line {
		switch {
		case r == '\x1b':
			inColour, coloured = true, true
			b.WriteRune(r)
		case inColour:
			inColour = !unicode.IsLetter(r) // a letter ends the sequence
			b.WriteRune(r)
		case columns == width-1 && total > width:
			b.WriteRune('…')
			if coloured {
				b.WriteString("\x1b[0m")
			}
			return b.String()
		default:
			columns++
			b.WriteRune(r)
		}
	}
	return b.String()
}

// visible is how many columns a line takes.
func visible(line string) int {
	n, inColour := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			inColour = true
		case inColour:
			inColour = !unicode.IsLetter(r)
		default:
			n++
		}
	}
	return n
}

// wrap breaks text, without colours, between words into at most so many lines
// of a width; what is beyond is left for cut.
func wrap(text string, width, most int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(lines) == most-1 || visible(line)+1+visible(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}
