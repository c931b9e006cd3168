package snmp

import (
	"fmt"
	"io"
	"log/slog"

	"simone/internal/snmp/usm"
)

// Secret is a community or passphrase. It does not let itself be printed;
// string(s) is how to get at it.
type Secret string

const redacted = "<redacted>"

// String hides the secret from fmt.
func (s Secret) String() string { return redacted }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return redacted }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret from JSON, YAML and XML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Credential is what a poller shows an agent. Requests and rows name it; the
// secret itself never crosses SNMP other than as the community of a message.
type Credential struct {
	Name      string
	Version   Version
	Community Secret // v1 and v2c
	User      User   // v3
}

// Keyring holds the credentials of a node by name. It does not change; a new
// one is given to Poller.Rekey.
type Keyring struct {
	byName map[string]keyed
}

// keyed is a credential with what was made of its passphrases.
type keyed struct {
	Credential
	user   []byte      // v3: its name
	master *usm.Master // v3
}

// NewKeyring makes a keyring. Names must be there and differ. Keys of v3 are
// made here, which takes milliseconds for each passphrase.
func NewKeyring(credentials ...Credential) (Keyring, error) {
	k := Keyring{byName: make(map[string]keyed, len(credentials))}
	for i, c := range credentials {
		if c.Name == "" {
			return Keyring{}, fmt.Errorf("credential %d has no name", i+1)
		}
		if c.Version != V1 && c.Version != V2c && c.Version != V3 {
			return Keyring{}, fmt.Errorf("credential %q: %w: %v", c.Name, ErrVersion, c.Version)
		}
		if _, ok := k.byName[c.Name]; ok {
			return Keyring{}, fmt.Errorf("credential %q is there twice", c.Name)
		}
		held := keyed{Credential: c}
		if c.Version == V3 {
			held.user = []byte(c.User.Name)
			var err error
			if held.master, err = c.User.master(); err != nil {
				return Keyring{}, fmt.Errorf("credential %q: %w", c.Name, err)
			}
		}
		k.byName[c.Name] = held
	}
	return k, nil
}

// Lookup gives the credential of that name.
func (k Keyring) Lookup(name string) (Credential, bool) {
	c, ok := k.byName[name]
	return c.Credential, ok
}

// Format keeps the secrets out of what is printed.
func (k Keyring) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("%d credentials %s", len(k.byName), redacted))
}

// UnknownCredentialError says that a request names a credential that the
// keyring does not hold.
type UnknownCredentialError struct{ Name string }

func (e *UnknownCredentialError) Error() string {
	return fmt.Sprintf("credential %q is not in the keyring; add it to the configuration's credentials", e.Name)
}
