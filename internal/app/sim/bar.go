package sim

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// bar shows on a terminal how far long work is; elsewhere nothing.
type bar struct {
	out   io.Writer // nil: no terminal
	began time.Time
	said  time.Time
	width int // of what was shown last
}

func newBar(w io.Writer) *bar {
	b := &bar{began: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.out = w
	}
	return b
}

// show says that so many of all parts are done.
func (b *bar) show(done, of int) {
	if b.out == nil {
		return
	}
	const wide = 30
	filled := wide * done / of
	left := time.Duration(float64(time.Since(b.began)) / float64(done) * float64(of-done))
	b.write(fmt.Sprintf("[%s%s] %d of %d runs, %v left", strings.Repeat("=", filled), strings.Repeat(" ", wide-filled), done, of, left.Round(time.Second)))
}

// say shows how far work is whose end nobody knows, a few times a second.
func (b *bar) say(text string) {
	if b.out == nil || time.Since(b.said) < 200*time.Millisecond {
		return
	}
	b.said = time.Now()
	const wide = 100
	if len(text) > wide {
		text = text[:wide]
	}
	b.write(text)
}

// clear takes the bar away.
func (b *bar) clear() {
	if b.out != nil {
		b.write("")
		fmt.Fprint(b.out, "\r")
	}
}

func (b *bar) write(s string) {
	fmt.Fprintf(b.out, "\r%-*s", b.width, s)
	b.width = len(s)
}
