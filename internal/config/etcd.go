package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Etcd is how a TLM uses a store in etcd, which it shares with others.
type Etcd struct {
	// Lease is how long a leader leads that is not heard of, 2s to 60s in
	// whole seconds: another one takes over after that, and half a second.
	Lease Duration `yaml:"lease"`

	// User and Password are how to log in where etcd asks for that;
	// PasswordFile is a file that holds the password.
	User         string `yaml:"user"`
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file"`

	// CAFile has the certificates that etcd's is checked against, the
	// system's if empty; CertFile and KeyFile are shown to etcd. For etcds://.
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`

	// Compact has the leader take out of etcd the revisions that it does not
	// need any more. Set it to false if etcd compacts by itself
	// (--auto-compaction-retention), or belongs to others too.
	Compact bool `yaml:"compact"`

	tls *tls.Config // made by finish
}

// DefaultEtcd is how etcd is used unless configured otherwise.
func DefaultEtcd() Etcd { return Etcd{Lease: Duration(3 * time.Second), Compact: true} }

// TLS is what the files say; nil if none is named.
func (e *Etcd) TLS() *tls.Config { return e.tls.Clone() }

// EtcdStore is what an etcd:// URL says.
type EtcdStore struct {
	Endpoints []string // host:port
	Prefix    string   // of the keys, as /simone
	TLS       bool     // etcds
}

// defaultPrefix is where keys are if the URL names no prefix.
const defaultPrefix = "/simone"

// EtcdStore gives what Store says of etcd; false if it is a file.
func (t *TLM) EtcdStore() (EtcdStore, bool, error) {
	scheme, rest, ok := strings.Cut(t.Store, "://")
	if !ok {
		return EtcdStore{}, false, nil
	}
	const example = "write etcd://192.0.2.10:2379,192.0.2.11:2379/simone"
	if scheme != "etcd" && scheme != "etcds" {
		return EtcdStore{}, true, fmt.Errorf("%q is neither the path of a file nor of a scheme that is known; %s (etcds with TLS)", t.Store, example)
	}
	s := EtcdStore{TLS: scheme == "etcds"}
	hosts, prefix, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(rest, "?#") {
		return s, true, fmt.Errorf("%q has more than hosts and a prefix; %s, and the rest as keys below etcd", t.Store, example)
	}
	if strings.Contains(hosts, "@") {
		// It may be a password: it is not repeated.
		return s, true, errors.New("it has a user in it; write them as user and password_file, keys below etcd")
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if err := checkPeer(host); err != nil {
			return s, true, fmt.Errorf("%w; %s", err, example)
		}
		s.Endpoints = append(s.Endpoints, host)
	}
	path, err := url.PathUnescape(prefix)
	if err != nil {
		return s, true, fmt.Errorf("the prefix %q cannot be read: %w; %s", prefix, err, example)
	}
	if s.Prefix = "/" + strings.Trim(path, "/"); s.Prefix == "/" {
		s.Prefix = defaultPrefix
	}
	return s, true, nil
}

// checkStore judges the store and what is said of etcd.
func (t *TLM) checkStore(ps *Problems) {
	s, inEtcd, err := t.EtcdStore()
	if err != nil {
		ps.add("store", "%v", err)
		return
	}
	e := &t.Etcd
	if lease := time.Duration(e.Lease); lease < 2*time.Second || lease > time.Minute || lease%time.Second != 0 {
		ps.add("etcd.lease", "%v is not a number of whole seconds from 2s to 60s; the default is 3s", e.Lease)
	}
	files := e.CAFile + e.CertFile + e.KeyFile
	switch {
	case !inEtcd && (e.User != "" || !e.Password.IsZero() || e.PasswordFile != "" || files != ""):
		ps.add("etcd", "the store is a file; write store: etcd://host:port/prefix, or leave user, password and files out")
	case inEtcd && !s.TLS && files != "":
		ps.add("etcd", "files for TLS are given and the store is etcd://; write etcds://, or leave them out")
	case (e.CertFile == "") != (e.KeyFile == ""):
		ps.add("etcd", "cert_file and key_file go together")
	case e.User == "" && !e.Password.IsZero():
		ps.add("etcd.user", "it is missing; the password is whose?")
	case e.User != "" && e.Password.IsZero():
		ps.add("etcd.password", "it is missing; write password_file with the name of a file that holds it")
	}
}

// finish reads the files that Etcd names; the rest is the node's.
func (t *TLM) finish(dir string, mode fs.FileMode) Problems {
	ps := t.Node.finish(dir, mode)
	e := &t.Etcd
	inline := false
	ps.under("etcd", t.readSecret(dir, "password", e.PasswordFile, &e.Password, &inline))
	if inline && mode.Perm()&0o004 != 0 {
		t.Warnings = append(t.Warnings, loosePermissions("the configuration", mode))
	}
	ps.under("etcd", e.readTLS(dir))
	return ps
}

// readTLS makes a configuration of the files.
func (e *Etcd) readTLS(dir string) (ps Problems) {
	if e.CAFile+e.CertFile+e.KeyFile == "" {
		return nil
	}
	in := func(file string) string {
		if filepath.IsAbs(file) {
			return file
		}
		return filepath.Join(dir, file)
	}
	e.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if e.CAFile != "" {
		pem, err := os.ReadFile(in(e.CAFile))
		e.tls.RootCAs = x509.NewCertPool()
		if err == nil && !e.tls.RootCAs.AppendCertsFromPEM(pem) {
			err = fmt.Errorf("%s has no certificate in PEM", in(e.CAFile))
		}
		if err != nil {
			ps.add("ca_file", "%v", err)
		}
	}
	if e.CertFile != "" && e.KeyFile != "" {
		cert, err := tls.LoadX509KeyPair(in(e.CertFile), in(e.KeyFile))
		if err != nil {
			ps.add("cert_file", "%v", err)
		}
		e.tls.Certificates = []tls.Certificate{cert}
	}
	return ps
}
