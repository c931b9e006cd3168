package ctl

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"simone/internal/snmp"
	"simone/internal/snmp/usm"
	"simone/internal/snmpdconf"
)

func newKeysCommand(o *options) *cobra.Command {
	c := group(&cobra.Command{Use: "keys", Short: "make and list credentials of SNMPv3"})
	dir := ""
	create := &cobra.Command{
		Use: "new NAME", Short: "make a user's passphrases, in files of mode 600", Args: cobra.ExactArgs(1),
		Long: `Makes two random passphrases and writes, into a directory that it makes if need
be and over nothing that is there:

  NAME.auth   the authentication passphrase
  NAME.priv   the privacy passphrase
  NAME.yaml   the credential and the user, for --credentials and to copy from
  NAME.snmpd  the line that makes the user known to net-snmp's snmpd

The passphrases stand in these files only. --user, --auth and --priv say for
whom they are and what for: NAME, sha256 and aes128 if left out.`,
		RunE: func(_ *cobra.Command, args []string) error { return o.makeKeys(dir, args[0]) },
	}
	create.Flags().StringVar(&dir, "dir", "keys", "into this `DIRECTORY`")
	c.AddCommand(create, &cobra.Command{
		Use: "ls DIRECTORY|FILE", Short: "list credentials and users, and who may read their secrets", Args: cobra.ExactArgs(1),
		Long: `Lists the credentials and users of a configuration, or of all *.yaml in a
directory, with the files of their secrets and the modes of these. It shows no
secret, and warns of files that others may read.`,
		RunE: func(_ *cobra.Command, args []string) error { return o.listKeys(args[0]) },
	})
	return c
}

// MadeKeys is what keys new did. It has no secret.
type MadeKeys struct {
	Name           string `json:"name"`
	User           string `json:"user"`
	Auth           string `json:"auth"`
	Priv           string `json:"priv"`
	AuthFile       string `json:"auth_file"`
	PrivFile       string `json:"priv_file"`
	File           string `json:"file"`
	SnmpdFile      string `json:"snmpd_file"`
	CredentialYAML string `json:"credential_yaml"`
	UserYAML       string `json:"user_yaml"`
	CreateUser     string `json:"create_user"`
	Rouser         string `json:"rouser"`
}

var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// makeKeys is keys new.
func (o *options) makeKeys(dir, name string) error {
	user := o.v3.name
	if user == "" {
		user = name
	}
	for _, x := range []struct{ what, word string }{{"name", name}, {"user", user}} {
		if !keyName.MatchString(x.word) || len(x.word) > snmp.MaxUserName {
			return usage(fmt.Sprintf("use letters, digits, dots, dashes and underscores, %d at most", snmp.MaxUserName), "%q is no %s for keys", x.word, x.what)
		}
	}
	if o.v3.level != "" && !strings.EqualFold(o.v3.level, usm.AuthPriv.String()) || o.v3.authFile+o.v3.privFile != "" {
		return usage("leave --level, --auth-file and --priv-file out", "keys new makes passphrases for authPriv")
	}
	auth, priv := usm.SHA256, usm.AES128
	var err error
	if o.v3.auth != "" {
		if auth, err = usm.ParseAuth(o.v3.auth); err != nil {
			return usage("", "--auth: %w", err)
		}
	}
	if o.v3.priv != "" {
		if priv, err = usm.ParsePriv(o.v3.priv); err != nil {
			return usage("", "--priv: %w", err)
		}
	}
	if auth == usm.MD5 || priv == usm.DES {
		o.warn("%v and %v are for devices that know no better", usm.MD5, usm.DES)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return failed("give an absolute --dir", "find the directory: %w", err)
	}
	at := func(ending string) string { return filepath.Join(dir, name+ending) }
	k := MadeKeys{
		Name: name, User: user, Auth: auth.String(), Priv: priv.String(),
		AuthFile: at(".auth"), PrivFile: at(".priv"), File: at(".yaml"), SnmpdFile: at(".snmpd"),
	}
	keys := func(authFile, privFile string) string {
		return fmt.Sprintf("    auth: {protocol: %v, passphrase_file: %q}\n    priv: {protocol: %v, passphrase_file: %q}\n", auth, authFile, priv, privFile)
	}
	credential := fmt.Sprintf("credentials:\n  - name: %s\n    version: v3\n    user: %s\n", name, user)
	account := fmt.Sprintf("users:\n  - name: %s\n", user)
	k.CredentialYAML, k.UserYAML = credential+keys(k.AuthFile, k.PrivFile), account+keys(k.AuthFile, k.PrivFile)
	made := snmpdconf.Account{
		Name: user, Auth: auth, AuthPassphrase: snmpdconf.Secret(randomPassphrase()),
		Priv: priv, PrivPassphrase: snmpdconf.Secret(randomPassphrase()),
	}
	k.CreateUser, k.Rouser = made.Redacted(), "rouser "+user+" priv"
	relative := keys(name+".auth", name+".priv")
	err = writeNew(dir, []secretText{
		{k.AuthFile, string(made.AuthPassphrase) + "\n"},
		{k.PrivFile, string(made.PrivPassphrase) + "\n"},
		{k.SnmpdFile, made.CreateUser() + "\n"},
		{k.File, credential + relative + account + relative},
	})
	switch {
	case errors.Is(err, fs.ErrExist):
		return failed("give another name or --dir; keys are never written over", "make keys: %w", err)
	case err != nil:
		return failed("give another --dir", "make keys: %w", err)
	}
	return o.show(k, func(p *page) {
		p.linef("made the passphrases of user %s (%v, %v) in %s:", user, auth, priv, dir)
		p.linef("  %s.auth  %s.priv  %s.yaml  %s.snmpd   (mode 0600)", name, name, name, name)
		p.linef("\nwho asks, as simoned.yaml; or simonectl --credentials %s:", k.File)
		p.indented(k.CredentialYAML)
		p.linef("\nwho is asked, as simoned.yaml; sources, read and write say more:")
		p.indented(k.UserYAML)
		p.linef("\nsnmpd: stop it, add %s to its persistent file", k.SnmpdFile)
		p.linef("(/var/lib/snmp/snmpd.conf), which has")
		p.indented(k.CreateUser)
		p.linef("and give the user access in snmpd.conf, with")
		p.indented(k.Rouser)
		p.linef("Or simonectl snmpd-config write --monitor %s does both.", k.File)
	})
}

func (p *page) indented(text string) {
	for line := range strings.Lines(text) {
		p.linef("  %s", strings.TrimRight(line, "\n"))
	}
}

// randomPassphrase has 256 bits and over, in letters and digits that nothing
// has to quote.
func randomPassphrase() string { return rand.Text() + rand.Text() }

// secretText is a file to be made.
type secretText struct{ file, text string }

// writeNew writes all files, or none, with mode 600 whatever the umask. A file
// that is there is fs.ErrExist.
func writeNew(dir string, all []secretText) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var made []string
	defer func() {
		if err != nil {
			for _, file := range made {
				_ = os.Remove(file) // the first error counts
			}
		}
	}()
	for _, s := range all {
		// O_EXCL follows no link either.
		f, err := os.OpenFile(s.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		made = append(made, s.file)
		if err = f.Chmod(0o600); err == nil { // which a umask may have narrowed
			if _, err = f.WriteString(s.text); err == nil {
				err = f.Sync()
			}
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
