package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong in a configuration.
type Problem struct {
	File   string // empty for a configuration that came from no file
	Line   int    // from 1; 0 if the key is not in the file
	Column int    // from 1
	Key    string // as thresholds.split or nodes[2].address; may be empty
	Text   string // what is wrong and what to write instead
}

func (p Problem) String() string {
	var s strings.Builder
	if p.File != "" {
		s.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&s, ":%d:%d", p.Line, p.Column)
		}
		s.WriteString(": ")
	}
	if p.Key != "" {
		s.WriteString(p.Key + ": ")
	}
	s.WriteString(p.Text)
	return s.String()
}

// Problems is the error of everything that refuses a configuration: all that
// is wrong with it, in order of lines.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// add notes that the value of key is wrong.
func (ps *Problems) add(key, format string, args ...any) {
	*ps = append(*ps, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

// under puts the problems of a part of the configuration below its key.
func (ps *Problems) under(key string, part Problems) {
	for _, p := range part {
		if p.File == "" { // of another file it names the keys there
			p.Key = join(key, p.Key)
		}
		*ps = append(*ps, p)
	}
}

// err is ps as an error, nil when there is none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return ps
}

// join puts a key below another: thresholds and split, nodes and [2].
func join(parent, key string) string {
	if parent == "" || key == "" || key[0] == '[' {
		return parent + key
	}
	return parent + "." + key
}

// nearest is the known word that a misspelt one most likely stands for, or
// empty when none is close: at most a third of its letters wrong, or both begin with
// the same three or more, which are half of it or all of the other.
func nearest(word string, known []string) string {
	best, least := "", max(len(word)/3, 1)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < least {
			best, least = k, d
		}
	}
	if best != "" {
		return best
	}
	most := 2
	for _, k := range known {
		if n := shared(strings.ToLower(word), k); n > most && (n == len(k) || 2*n >= len(word)) {
			best, most = k, n
		}
	}
	return best
}

// shared is with how many letters two words both begin.
func shared(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// distance is the number of letters to insert, delete, replace or swap with
// the next to make b of a.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// oneOf lists words for people: a, b or c.
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
