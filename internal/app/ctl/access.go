package ctl

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"simone/internal/config"
	"simone/internal/snmp"
	"simone/internal/snmp/usm"
)

// way is how simonectl shows agents who it is.
type way uint8

const (
	byCommunity way = iota + 1 // v2c
	byUser                     // v3, from flags and the environment
	byFile                     // what a file of credentials says
)

// access is what a client shows agents.
type access struct {
	way   way
	read  snmp.Credential
	write snmp.Credential // without a name if there is none
	file  string          // byFile: where they stand
}

// userFlags are the flags that name a user of SNMPv3.
type userFlags struct {
	name, level, auth, authFile, priv, privFile string
}

// way says how to show who asks: what the command line says goes before the
// environment, and there a file before a user before a community.
func (o *options) way() (way, error) {
	given := func(all ...string) bool { return strings.Join(all, "") != "" }
	file := given(o.credentials, o.credential, o.writeCredential)
	community := given(o.community, o.communityFile, o.writeCommunity, o.writeCommunityFile)
	user := given(o.v3.name, o.v3.level, o.v3.auth, o.v3.authFile, o.v3.priv, o.v3.privFile)
	switch {
	case file && user, file && community, user && community:
		return 0, usage("give the flags of one of the three", "communities, a user of SNMPv3 and --credentials do not go together")
	case file:
		return byFile, nil
	case user:
		return byUser, nil
	case community:
		return byCommunity, nil
	case o.getenv(envCredentials) != "":
		return byFile, nil
	case o.getenv(envUser) != "":
		return byUser, nil
	}
	return byCommunity, nil
}

// access reads what to show, and warns of files that others may read.
func (o *options) access() (*access, error) {
	way, err := o.way()
	if err != nil {
		return nil, err
	}
	a := &access{way: way}
	switch way {
	case byFile:
		err = o.accessFromFile(a)
	case byUser:
		a.read.Version = snmp.V3
		if a.read.User, err = o.user(); err == nil {
			a.write = a.read
		}
	default:
		a.read.Version, a.write.Version = snmp.V2c, snmp.V2c
		a.read.Community, a.write.Community, err = o.communities()
	}
	if err != nil {
		return nil, err
	}
	a.read.Name = reader
	if way != byCommunity || a.write.Community != "" {
		a.write.Name = writer
	}
	return a, nil
}

// writes reports whether there is something to write with.
func (a *access) writes() bool { return a.write.Name != "" }

// keyring makes the keys, which takes a moment for v3.
func (a *access) keyring() (snmp.Keyring, error) {
	if !a.writes() {
		return snmp.NewKeyring(a.read)
	}
	return snmp.NewKeyring(a.read, a.write)
}

// communities gives those to read and to write with; the latter is empty if
// there is none. Who names a community to read with writes with it too, unless
// another is named.
func (o *options) communities() (read, write snmp.Secret, err error) {
	pick := func(flag, file, env string) (snmp.Secret, error) {
		switch {
		case file != "":
			return o.secretFrom(file, "community")
		case flag != "":
			return snmp.Secret(flag), nil
		}
		return snmp.Secret(o.getenv(env)), nil
	}
	if read, err = pick(o.community, o.communityFile, envCommunity); err != nil {
		return "", "", err
	}
	if write, err = pick(o.writeCommunity, o.writeCommunityFile, envWriteCommunity); err != nil {
		return "", "", err
	}
	if write == "" {
		write = read
	}
	if read == "" {
		read = defaultCommunity
	}
	return read, write, nil
}

// user gives the user of SNMPv3 that flags and environment name.
func (o *options) user() (snmp.User, error) {
	or := func(flag, env string) string {
		if flag != "" {
			return flag
		}
		return o.getenv(env)
	}
	u := snmp.User{Name: or(o.v3.name, envUser)}
	if u.Name == "" {
		return u, usage("give --user, or set "+envUser, "the flags of SNMPv3 are given, and no user")
	}
	s := config.Security{Level: or(o.v3.level, envLevel)}
	s.Auth.Protocol, s.Priv.Protocol = or(o.v3.auth, envAuth), or(o.v3.priv, envPriv)
	var err error
	if u.Level, u.Auth, u.Priv, err = s.USM(); err != nil {
		return u, usage("see the flags --level, --auth and --priv, and their variables", "user %s: %w", u.Name, err)
	}
	if u.Auth == usm.NoAuth && o.v3.auth+o.v3.authFile != "" || u.Priv == usm.NoPriv && o.v3.priv+o.v3.privFile != "" {
		return u, usage("leave the keys out that are not used, or give a higher --level", "user %s: level %v goes without a key that is given", u.Name, u.Level)
	}
	passphrase := func(kind, flag, envFile, env string) (snmp.Secret, error) {
		secret, file := snmp.Secret(""), flag
		if file == "" {
			file, secret = o.getenv(envFile), snmp.Secret(o.getenv(env))
		}
		switch {
		case file != "" && secret != "":
			return "", usage("keep one of them", "%s and %s are set both", envFile, env)
		case file != "":
			if secret, err = o.secretFrom(file, kind+" passphrase"); err != nil {
				return "", err
			}
		case secret == "":
			return "", usage(fmt.Sprintf("give --%s-file, or set %s or %s; --level says which are needed", kind, envFile, env),
				"user %s has no %s passphrase, and level %v needs one", u.Name, kind, u.Level)
		}
		if len(secret) < usm.MinPassphrase {
			return "", usage("SNMPv3 does not allow it; is the file the right one?", "the %s passphrase of user %s has fewer than %d characters", kind, u.Name, usm.MinPassphrase)
		}
		return secret, nil
	}
	if u.Auth != usm.NoAuth {
		if u.AuthPassphrase, err = passphrase("auth", o.v3.authFile, envAuthFile, envAuthPassphrase); err != nil {
			return u, err
		}
	}
	if u.Priv != usm.NoPriv {
		if u.PrivPassphrase, err = passphrase("priv", o.v3.privFile, envPrivFile, envPrivPassphrase); err != nil {
			return u, err
		}
	}
	if err := u.Validate(); err != nil {
		return u, usage("check --user", "%w", err)
	}
	return u, nil
}

// secretFrom reads a secret from the only line of a file.
func (o *options) secretFrom(file, what string) (snmp.Secret, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", usage("make it with the "+what+" in it, mode 600", "read the %s: %w", what, err)
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" || strings.ContainsAny(text, "\r\n") {
		return "", usage("put the "+what+" into its only line", "%s does not hold one line", file)
	}
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o004 != 0 {
		o.warn("everybody on this machine may read %s (mode %04o); run chmod 600 %s", file, info.Mode().Perm(), file)
	}
	return snmp.Secret(text), nil
}

// warn tells what is doubtful and not wrong.
func (o *options) warn(format string, args ...any) {
	fmt.Fprintf(o.stderr, "simonectl: warning: "+format+"\n", args...)
}

// loadCredentials reads the configuration of a simoned or simone-tlm, or one
// that has credentials and users alone, as keys new writes it.
func loadCredentials(file string) (*config.Node, error) {
	node, err := config.LoadNode(file)
	if err == nil {
		return node, nil
	}
	tlm, tlmErr := config.LoadTLM(file)
	if tlmErr == nil {
		return &tlm.Node, nil
	}
	// What the other daemon's keys are taken for is no mistake in them.
	if fewer, ok := errors.AsType[config.Problems](tlmErr); ok {
		if more, ok := errors.AsType[config.Problems](err); ok && len(fewer) < len(more) {
			err = tlmErr
		}
	}
	return nil, err
}

// accessFromFile takes the credentials that the flags name from a file.
func (o *options) accessFromFile(a *access) error {
	or := func(flag, env string) string {
		if flag != "" {
			return flag
		}
		return o.getenv(env)
	}
	if a.file = or(o.credentials, envCredentials); a.file == "" {
		return usage("give --credentials, or set "+envCredentials, "--credential and --write-credential name what stands in a file, and there is none")
	}
	node, err := loadCredentials(a.file)
	if err != nil {
		return usage("it is to be a file of keys new, or the configuration of a simoned or simone-tlm", "credentials: %w", err)
	}
	for _, w := range node.Warnings {
		o.warn("%s", w)
	}
	if len(node.Credentials) == 0 {
		return usage("add them under credentials; simonectl keys new makes one", "%s has no credentials", a.file)
	}
	find := func(name string) (snmp.Credential, error) {
		var known []string
		for _, c := range node.Credentials {
			if c.Name == name {
				return credentialOf(&c)
			}
			known = append(known, c.Name)
		}
		return snmp.Credential{}, usage("it has "+strings.Join(known, ", "), "%s has no credential %q", a.file, name)
	}
	read := or(o.credential, envCredential)
	if read == "" {
		read = node.Credentials[0].Name
	}
	write := or(o.writeCredential, envWriteCredential)
	if write == "" {
		write = read
	}
	if a.read, err = find(read); err != nil {
		return err
	}
	a.write, err = find(write)
	return err
}

// credentialOf makes of a credential in a configuration one for the wire.
func credentialOf(c *config.Credential) (snmp.Credential, error) {
	fail := func(err error) (snmp.Credential, error) {
		return snmp.Credential{}, usage("", "credential %s: %w", c.Name, err)
	}
	v, err := snmp.ParseVersion(c.Version)
	if err != nil {
		return fail(err)
	}
	out := snmp.Credential{Version: v, Community: snmp.Secret(c.Community.Reveal())}
	if v == snmp.V3 {
		out.User = snmp.User{
			Name:           c.User,
			AuthPassphrase: snmp.Secret(c.Auth.Passphrase.Reveal()), PrivPassphrase: snmp.Secret(c.Priv.Passphrase.Reveal()),
		}
		if out.User.Level, out.User.Auth, out.User.Priv, err = c.USM(); err != nil {
			return fail(err)
		}
	}
	return out, nil
}
