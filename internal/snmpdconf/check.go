package snmpdconf

import (
	"strconv"
	"strings"
)

// Status is how a line is found.
type Status uint8

// The statuses of a line.
const (
	OK        Status = iota + 1
	Missing          // it is not there
	Different        // it is there with another meaning
)

func (s Status) String() string {
	switch s {
	case OK:
		return "ok"
	case Missing:
		return "missing"
	case Different:
		return "different"
	}
	return "status(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText gives what String gives.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is a line that snmpd.conf needs, and how it is there.
type Finding struct {
	Line   Line
	Status Status
	Have   string // what stands there instead, when Different
	At     int    // its line, from 1; 0 when Missing
	File   string // that it stands in
}

// directive is a line of snmpd.conf in parts: which setting it is, and to
// what.
type directive struct {
	setting, value string
	text           string
	line           int
	file           string
}

// words are those of a line that count (read_config(3)).
func words(line string) []string {
	fields := strings.Fields(line)
	for i, f := range fields {
		if f[0] == '#' {
			return fields[:i]
		}
	}
	return fields
}

// parse reads a line; false if it is none of those that Check is about.
func parse(text string) (directive, bool) {
	w := words(text)
	if len(w) < 2 {
		return directive{}, false
	}
	d := directive{setting: strings.ToLower(w[0]), text: strings.Join(w, " ")}
	rest := w[1:]
	split := func(head int) bool { // how many words belong to the setting
		if len(rest) < head {
			return false
		}
		d.setting += " " + strings.Join(rest[:head], " ")
		d.value = strings.Join(rest[head:], " ")
		return true
	}
	switch d.setting {
	case "view": // NAME TYPE OID [MASK]
		if len(rest) < 3 {
			return d, false
		}
		oid := "." + strings.TrimPrefix(rest[2], ".")
		rest = append([]string{rest[0], oid, strings.ToLower(rest[1])}, rest[3:]...)
		return d, split(2)
	case "group": // NAME MODEL SECURITY: a security name is in one group
		if len(rest) < 3 {
			return d, false
		}
		rest = []string{rest[1], rest[2], rest[0]}
		return d, split(2)
	case "access": // NAME CONTEXT MODEL LEVEL MATCH READ WRITE NOTIFY
		return d, split(4)
	}
	d.value = strings.Join(rest, " ")
	return d, true
}

// same reports whether a value has the meaning of the one needed.
func same(setting, want, have string) bool {
	if want == have {
		return true
	}
	lower := strings.ToLower(have)
	switch setting {
	case "master":
		return lower == "agentx" || lower == "all" || lower == "yes" || lower == "on"
	case "dontlogtcpwrappersconnects":
		return lower == "yes" || lower == "true" || lower == "1"
	case "maxgetbulkresponses":
		n, err := strconv.Atoi(have)
		return err == nil && (n >= bulkResponses || n == -1)
	case "agentxsocket":
		return strings.TrimPrefix(want, "unix:") == strings.TrimPrefix(have, "unix:")
	case "agentxperms":
		trim := func(s string) string {
			w := strings.Fields(s)
			for i := range w[:min(2, len(w))] {
				w[i] = strings.TrimLeft(w[i], "0")
			}
			if len(w) > 2 && (w[2] == "root" || w[2] == "0") {
				w[2] = "-1"
			}
			return strings.Join(w, " ")
		}
		return trim(want) == trim(have)
	}
	return false
}

// Check holds what snmpd.conf says against what is needed. Of a setting that
// stands there twice, snmpd takes the last.
func (c *Config) Check(lines []Source) []Finding {
	last := make(map[string]directive)
	for _, l := range lines {
		if d, ok := parse(l.Text); ok {
			d.line, d.file = l.Line, l.File
			last[d.setting] = d
		}
	}
	var found []Finding
	for _, l := range c.Lines() {
		f := Finding{Line: l, Status: Missing}
		need, _ := parse(l.Text)
		if have, ok := last[need.setting]; ok {
			f.Status, f.At, f.File = OK, have.line, have.file
			if !same(need.setting, need.value, have.value) {
				f.Status, f.Have = Different, have.text
			}
		}
		found = append(found, f)
	}
	return found
}

// Members are the users that snmpd.conf puts into the groups of the roles.
func Members(text string) map[string]Role {
	users := make(map[string]Role)
	for l := range strings.Lines(text) {
		d, ok := parse(l)
		user, isUSM := strings.CutPrefix(d.setting, "group usm ")
		if !ok || !isUSM {
			continue
		}
		delete(users, user)
		for _, r := range Roles() {
			if d.value == r.group() {
				users[user] = r
			}
		}
	}
	return users
}
