package snmpdconf

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"simone/internal/snmp/usm"
)

const redacted = "<redacted>"

// Secret is a passphrase. It does not let itself be printed; string(s) is how
// to get at it.
type Secret string

// String hides the secret from fmt.
func (s Secret) String() string { return redacted }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return redacted }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Account is a user of SNMPv3 as snmpd is told of one, with both keys.
type Account struct {
	Name           string
	Auth           usm.Auth
	AuthPassphrase Secret
	Priv           usm.Priv
	PrivPassphrase Secret
}

var word = regexp.MustCompile(`^[!-~]{1,32}$`)

// Validate says what snmpd could not be told of: it reads a line of words, in
// which a quote ends one and a number sign begins a comment.
func (a *Account) Validate() error {
	switch {
	case !word.MatchString(a.Name) || strings.ContainsAny(a.Name, "\"'#\\"):
		return fmt.Errorf("user %q: snmpd wants 1 to 32 printable characters without quotes, spaces and number signs", a.Name)
	case a.Auth == usm.NoAuth || a.Priv == usm.NoPriv:
		return fmt.Errorf("user %q: access is given at authPriv only, and it has no keys for that", a.Name)
	}
	for _, s := range []Secret{a.AuthPassphrase, a.PrivPassphrase} {
		if len(s) < usm.MinPassphrase {
			return fmt.Errorf("user %q: a passphrase has fewer than %d characters", a.Name, usm.MinPassphrase)
		}
		if strings.ContainsAny(string(s), "\"\\\r\n") {
			return fmt.Errorf("user %q: a passphrase has a quote, a backslash or a line break, which snmpd does not read as it stands", a.Name)
		}
	}
	return nil
}

// CreateUser is the line that makes the user known to snmpd, with the
// passphrases (snmpd.conf(5)).
func (a *Account) CreateUser() string {
	return a.createUser(string(a.AuthPassphrase), string(a.PrivPassphrase))
}

// Redacted is CreateUser for people.
func (a *Account) Redacted() string { return a.createUser(redacted, redacted) }

func (a *Account) createUser(auth, priv string) string {
	return fmt.Sprintf("createUser %s %s \"%s\" %s \"%s\"", a.Name, AuthName(a.Auth), auth, PrivName(a.Priv), priv)
}
