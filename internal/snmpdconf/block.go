package snmpdconf

import (
	"fmt"
	"strings"
)

// The marks around what Put writes.
const (
	begin = "# BEGIN simone: simonectl snmpd-config wrote this and takes it out again; do not edit it"
	// beginAfterNewline says that the line before had no end until Put ended
	// it.
	beginAfterNewline = begin + " (with the line break before)"
	end               = "# END simone"
)

// MarkError says that a file's marks are not one pair.
type MarkError struct {
	Line int // from 1
	What string
}

func (e *MarkError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.What) }

// split gives what stands before, in and after the block. found is false if
// there is none; a block that a person has taken apart is a *MarkError.
func split(text string) (before, block, after string, found bool, err error) {
	from, to := -1, -1 // octets
	at, line := 0, 0
	for l := range strings.Lines(text) {
		line++
		switch strings.TrimRight(l, "\r\n") {
		case begin, beginAfterNewline:
			if from >= 0 {
				return "", "", "", false, &MarkError{line, "a second block of simone begins; take one of the two out by hand"}
			}
			from = at
		case end:
			if from < 0 || to >= 0 {
				return "", "", "", false, &MarkError{line, "a block of simone ends that has not begun; take the line out by hand"}
			}
			to = at + len(l)
		}
		at += len(l)
	}
	switch {
	case from < 0:
		return text, "", "", false, nil
	case to < 0:
		return "", "", "", false, &MarkError{1 + strings.Count(text[:from], "\n"), "a block of simone begins and does not end: write \"" + end + "\" behind its last line"}
	}
	return text[:from], text[from:to], text[to:], true, nil
}

// Put gives text with the block in it, at its end or in place of the block
// that is there. An empty body takes the block out.
func Put(text, body string) (string, error) {
	before, old, after, found, err := split(text)
	if err != nil {
		return "", err
	}
	if body == "" {
		out, _, err := Cut(text)
		return out, err
	}
	mark := begin
	switch {
	case found && strings.HasPrefix(old, beginAfterNewline):
		mark = beginAfterNewline
	case !found && before != "" && !strings.HasSuffix(before, "\n"):
		mark, before = beginAfterNewline, before+"\n"
	}
	return before + mark + "\n" + body + end + "\n" + after, nil
}

// Cut gives text as it was before Put, and whether a block was there.
func Cut(text string) (string, bool, error) {
	before, old, after, found, err := split(text)
	if err != nil || !found {
		return text, false, err
	}
	if strings.HasPrefix(old, beginAfterNewline) && after == "" {
		before = strings.TrimSuffix(before, "\n")
	}
	return before + after, true, nil
}

// Diff gives the lines that one block has and the other does not, without
// comments.
func Diff(before, after string) (added, removed []string) {
	lines := func(text string) (all []string, has map[string]bool) {
		has = make(map[string]bool)
		for l := range strings.Lines(text) {
			if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
				all, has[l] = append(all, l), true
			}
		}
		return all, has
	}
	old, had := lines(before)
	now, has := lines(after)
	for _, l := range now {
		if !had[l] {
			added = append(added, l)
		}
	}
	for _, l := range old {
		if !has[l] {
			removed = append(removed, l)
		}
	}
	return added, removed
}
