package sim

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"simone/sim"
)

// bar shows on a terminal how far long work is; elsewhere it says so in a line
// each minute, as in the log of who runs it over night.
type bar struct {
	out   io.Writer // nil: no terminal
	log   io.Writer
	began time.Time
	said  time.Time
	width int // of what was shown last
	so    sim.Progress
}

func newBar(w io.Writer) *bar {
	b := &bar{log: w, began: time.Now(), said: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.out = w
	}
	return b
}

// show says how far a sweep is, and how long it will take if the rest of the work
// goes as fast.
func (b *bar) show(so sim.Progress) {
	b.so = so
	left := "a while"
	if so.Share > 0 {
		left = time.Duration(float64(time.Since(b.began)) * (1 - so.Share) / so.Share).Round(time.Second).String()
	}
	text := fmt.Sprintf("%d of %d runs, %s left", so.Done, so.Of, left)
	switch {
	case b.out != nil:
		const wide = 30
		filled := int(wide * so.Share)
		b.write(fmt.Sprintf("[%s%s] %s", strings.Repeat("=", filled), strings.Repeat(" ", wide-filled), text))
	case time.Since(b.said) >= time.Minute && so.Done < so.Of:
		b.said = time.Now()
		fmt.Fprintln(b.log, text)
	}
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
