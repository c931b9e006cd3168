package config

import (
	"slices"
	"time"
)

func checkDuration(ps *Problems, key string, d Duration, least, most time.Duration) {
	if v := time.Duration(d); v < least || v > most {
		ps.add(key, "%v is out of range; write a time from %v to %v", v, least, most)
	}
}

func checkInt(ps *Problems, key string, n, least, most int) {
	if n < least || n > most {
		ps.add(key, "%d is out of range; write a number from %d to %d", n, least, most)
	}
}

func checkChoice(ps *Problems, key, word string, allowed ...string) {
	if slices.Contains(allowed, word) {
		return
	}
	if near := nearest(word, allowed); near != "" && word != "" {
		ps.add(key, "%q is not known; did you mean %q?", word, near)
		return
	}
	ps.add(key, "%q is not known; write %s", word, oneOf(allowed))
}
