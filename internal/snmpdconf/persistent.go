package snmpdconf

import (
	"encoding/hex"
	"strings"
)

// Known are the users that snmpd's persistent file has: those that it made
// keys for (usmUser), and those that it will make keys for when it starts
// (createUser).
func Known(text string) map[string]bool {
	users := make(map[string]bool)
	for l := range strings.Lines(text) {
		switch w := words(l); {
		case len(w) >= 5 && w[0] == "usmUser": // STATUS STORAGE ENGINE NAME ...
			users[octets(w[4])] = true
		case len(w) >= 2 && strings.EqualFold(w[0], "createUser"):
			name := w[1]
			if name == "-e" && len(w) >= 4 { // -e ENGINE NAME
				name = w[3]
			}
			users[strings.Trim(name, `"`)] = true
		}
	}
	return users
}

// octets reads an octet string as snmpd saves it, in quotes or in hexadecimal.
func octets(word string) string {
	if digits, ok := strings.CutPrefix(word, "0x"); ok {
		if b, err := hex.DecodeString(digits); err == nil {
			return strings.TrimRight(string(b), "\x00")
		}
	}
	return strings.Trim(word, `"`)
}

// PutUsers gives the text of snmpd's persistent file with a block of
// createUser lines for the members that it does not know otherwise, and the
// names of those that it does.
func (c *Config) PutUsers(text string) (out string, known []string, err error) {
	rest, _, err := Cut(text)
	if err != nil {
		return "", nil, err
	}
	has := Known(rest)
	var body strings.Builder
	for _, m := range c.members() {
		if has[m.Name] {
			known = append(known, m.Name)
			continue
		}
		body.WriteString(m.CreateUser() + "\n")
	}
	out, err = Put(text, body.String())
	return out, known, err
}
