package snmp

import (
	"errors"
	"fmt"

	"simone/internal/snmp/usm"
)

// User is a user of SNMPv3's user-based security model: to an agent one that
// may ask, to a poller itself.
type User struct {
	Name string // 1 to 32 octets
	// Level is the least that an agent demands of the user's requests, and
	// what a poller sends.
	Level          usm.Level
	Auth           usm.Auth
	AuthPassphrase Secret
	Priv           usm.Priv
	PrivPassphrase Secret
}

// Validate says what is wrong with the user.
func (u *User) Validate() error {
	switch {
	case u.Name == "":
		return errors.New("the user has no name")
	case len(u.Name) > MaxUserName:
		return fmt.Errorf("user %q: its name has %d octets; at most %d are allowed", u.Name, len(u.Name), MaxUserName)
	case u.Level < usm.NoAuthNoPriv || u.Level > usm.AuthPriv:
		return fmt.Errorf("user %q: %v is no level of security", u.Name, u.Level)
	case u.Level >= usm.AuthNoPriv && u.Auth == usm.NoAuth:
		return fmt.Errorf("user %q: %v takes an authentication protocol", u.Name, u.Level)
	case u.Level == usm.AuthPriv && u.Priv == usm.NoPriv:
		return fmt.Errorf("user %q: %v takes a privacy protocol", u.Name, u.Level)
	}
	return nil
}

// master makes the user's keys, which takes milliseconds.
func (u *User) master() (*usm.Master, error) {
	if err := u.Validate(); err != nil {
		return nil, err
	}
	m, err := usm.NewMaster(u.Auth, string(u.AuthPassphrase), u.Priv, string(u.PrivPassphrase))
	if err != nil {
		return nil, fmt.Errorf("user %q: %w", u.Name, err)
	}
	return m, nil
}
