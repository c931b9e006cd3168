package config

import (
	"fmt"
	"slices"

	"simone/internal/snmp/usm"
)

// Security is how a user of SNMPv3 proves who it is and keeps what it says to
// itself (RFC 3414).
type Security struct {
	// Level is authPriv, authNoPriv or noAuthNoPriv; authPriv if empty. A
	// credential sends at it, and of a user who asks it is the least.
	Level string `yaml:"level"`
	// Auth is for authPriv and authNoPriv, Priv for authPriv.
	Auth Key `yaml:"auth"`
	Priv Key `yaml:"priv"`
}

// Key is a protocol and the passphrase that its key is made from.
type Key struct {
	// Protocol is for auth sha256 (if empty), sha512, sha384, sha224, sha1 or
	// md5, and for priv aes128 (if empty), aes256, aes192, or as Cisco's
	// devices make their keys aes256c, aes192c, or des.
	Protocol string `yaml:"protocol"`
	// Passphrase is the secret itself, 8 octets or more, or PassphraseFile a
	// file that holds it, relative to the configuration; a newline at its end
	// does not count.
	Passphrase     Secret `yaml:"passphrase"`
	PassphraseFile string `yaml:"passphrase_file"`
}

// given reports whether any key of the configuration is set.
func (k *Key) given() bool { return *k != Key{} }

// User is one user of SNMPv3 that the node's responder accepts. The fields
// below Security are those of a Community.
type User struct {
	// Name is what stands in messages, 1 to 32 characters.
	Name     string `yaml:"name"`
	Security `yaml:",inline"`
	Sources  []string `yaml:"sources"`
	Read     []string `yaml:"read"`
	Write    []string `yaml:"write"`
	Hide     []string `yaml:"hide"`
	Notify   bool     `yaml:"notify"`
}

func (u *User) setDefaults() {
	var c Community
	c.setDefaults()
	u.Sources, u.Read = c.Sources, c.Read
}

// View gives the user's subtrees and networks, as that of a Community.
func (u *User) View() (View, error) {
	c := Community{Sources: u.Sources, Read: u.Read, Write: u.Write, Hide: u.Hide}
	return c.View()
}

// USM gives level and protocols. On a validated configuration it does not
// fail.
func (s *Security) USM() (level usm.Level, auth usm.Auth, priv usm.Priv, err error) {
	level = usm.AuthPriv
	if s.Level != "" {
		if level, err = usm.ParseLevel(s.Level); err != nil {
			return 0, 0, 0, fmt.Errorf("level: %w", err)
		}
	}
	if level >= usm.AuthNoPriv {
		auth = usm.SHA256
		if s.Auth.Protocol != "" {
			if auth, err = usm.ParseAuth(s.Auth.Protocol); err != nil {
				return 0, 0, 0, fmt.Errorf("auth.protocol: %w", err)
			}
		}
	}
	if level >= usm.AuthPriv {
		priv = usm.AES128
		if s.Priv.Protocol != "" {
			if priv, err = usm.ParsePriv(s.Priv.Protocol); err != nil {
				return 0, 0, 0, fmt.Errorf("priv.protocol: %w", err)
			}
		}
	}
	return level, auth, priv, nil
}

func (s *Security) problems() (ps Problems) {
	level := usm.AuthPriv
	if s.Level != "" {
		var err error
		if level, err = usm.ParseLevel(s.Level); err != nil {
			checkChoice(&ps, "level", s.Level, "authPriv", "authNoPriv", "noAuthNoPriv")
			return ps
		}
	}
	if level < usm.AuthNoPriv {
		if s.Auth.given() {
			ps.add("auth", "level %v has no authentication; leave auth out, or write a higher level", level)
		}
	} else {
		_, err := usm.ParseAuth(s.Auth.Protocol)
		ps.under("auth", s.Auth.problems(err, usm.AuthNames()))
	}
	if level < usm.AuthPriv {
		if s.Priv.given() {
			ps.add("priv", "level %v has no privacy; leave priv out, or write level: authPriv", level)
		}
	} else {
		_, err := usm.ParsePriv(s.Priv.Protocol)
		ps.under("priv", s.Priv.problems(err, usm.PrivNames()))
	}
	return ps
}

// problems checks a key that is needed; unknown is what parsing its protocol
// failed with.
func (k *Key) problems(unknown error, names []string) (ps Problems) {
	if k.Protocol != "" && unknown != nil {
		checkChoice(&ps, "protocol", k.Protocol, names...)
	}
	switch n := len(k.Passphrase.Reveal()); {
	case n == 0 && k.PassphraseFile == "":
		ps.add("passphrase", "it is missing; write passphrase, or passphrase_file with the name of a file that holds it")
	case n < usm.MinPassphrase:
		ps.add("passphrase", "it has fewer than %d characters, which SNMPv3 does not allow; write a longer one", usm.MinPassphrase)
	case n > 255:
		ps.add("passphrase", "it has more than 255 octets")
	}
	return ps
}

// checkUserName holds a user's name against SnmpAdminString's 32 octets of
// usmUserName.
func checkUserName(ps *Problems, key, name string) {
	const most = 32
	if err := checkWord(name); err != nil {
		ps.add(key, "%v", err)
	} else if len(name) > most {
		ps.add(key, "%q has %d characters; at most %d are allowed in the name of an SNMPv3 user", name, len(name), most)
	}
}

func (u *User) problems(before []User) (ps Problems) {
	checkUserName(&ps, "name", u.Name)
	if slices.ContainsFunc(before, func(o User) bool { return o.Name == u.Name }) {
		ps.add("name", "%q stands there twice; put what the user may do into one entry", u.Name)
	}
	ps = append(ps, u.Security.problems()...)
	if len(u.Sources) == 0 {
		ps.add("sources", "it is empty, so that nobody could be the user; leave the key out for loopback, or write networks as 192.0.2.0/24")
	}
	if _, err := u.View(); err != nil {
		if at, ok := err.(*viewError); ok {
			ps.add(fmt.Sprintf("%s[%d]", at.list, at.i), "%s", at.text)
		}
	}
	return ps
}

// problemsV3 checks a credential of version v3.
func (c *Credential) problemsV3() (ps Problems) {
	if !c.Community.IsZero() || c.CommunityFile != "" {
		ps.add("community", "version v3 has a user and keys in place of a community; leave it out, or write version: v2c")
	}
	if c.User == "" {
		ps.add("user", "it is missing; write the name of an SNMPv3 user of the agents that are asked")
	} else {
		checkUserName(&ps, "user", c.User)
	}
	return append(ps, c.Security.problems()...)
}

// problemsCommunity checks a credential of v1 or v2c.
func (c *Credential) problemsCommunity() (ps Problems) {
	if c.User != "" || c.Level != "" || c.Auth.given() || c.Priv.given() {
		ps.add("user", "user, level, auth and priv are for SNMPv3; write version: v3, or leave them out")
	}
	return append(ps, secretProblems(c.Community, c.CommunityFile)...)
}
