//go:build linux

package etcd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	tlmconfig "simone/internal/config"
	"simone/internal/store/etcd"
	"simone/internal/testbed"
	"simone/reconfig"
)

// An etcd with TLS, certificates of clients and users is used as the
// configuration says, by a user who may do nothing outside of the prefix.
func TestTLSAndUser(t *testing.T) {
	t.Parallel()
	keys := testbed.NewKeys(t)
	e := testbed.StartSecureEtcd(t, keys)
	root, err := clientv3.New(clientv3.Config{Endpoints: []string{e.Endpoint}, TLS: keys.Config(t), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	const password = "correct horse"
	ctx := t.Context()
	for _, do := range []func() error{
		func() error { _, err := root.UserAdd(ctx, "root", "battery staple"); return err },
		func() error { _, err := root.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := root.UserAdd(ctx, "simone", password); return err },
		func() error { _, err := root.RoleAdd(ctx, "simone"); return err },
		func() error {
			_, err := root.RoleGrantPermission(ctx, "simone", "/simone/", clientv3.GetPrefixRangeEnd("/simone/"), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := root.UserGrantRole(ctx, "simone", "simone"); return err },
		func() error { _, err := root.AuthEnable(ctx); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}

	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	member := func(secret string) runningMember {
		t.Helper()
		write("etcd.password", secret+"\n")
		file := write("tlm.yaml", fmt.Sprintf("store: etcds://%s/simone\netcd: {user: simone, password_file: etcd.password, ca_file: %q, cert_file: %q, key_file: %q}\n",
			e.Endpoint, keys.CA, keys.Cert, keys.Key))
		c, err := tlmconfig.LoadTLM(file)
		if err != nil {
			t.Fatal(err)
		}
		at, _, err := c.EtcdStore()
		if err != nil || !at.TLS {
			t.Fatal(at, err)
		}
		return start(t, etcd.Config{
			Endpoints: at.Endpoints, Prefix: at.Prefix, Name: "a", Address: "a:1161", TLS: c.Etcd.TLS(), User: c.Etcd.User, Password: c.Etcd.Password.Reveal(),
			History: t.TempDir(), Limits: etcd.Limits{Compact: true, JournalAge: time.Nanosecond},
		})
	}

	wrong := member("wrong")
	eventually(t, "a wrong password is said", func() bool {
		s, _ := wrong.Standing()
		return strings.Contains(s.Trouble, "invalid user ID or password")
	})
	wrong.stop()

	s := lead(t, member(password))
	for term := range uint32(5) {
		if err := s.Apply(reconfig.Txn{Meta: &reconfig.Meta{Self: 1, Term: term + 1}, Samples: []reconfig.Stored{sample(1, term+1)}}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the history has them", func() bool {
		all, err := s.Samples(1, 0)
		return err == nil && len(all) == 5
	})
	if err := s.Tidy(t.Context()); err != nil { // with a compaction
		t.Error(err)
	}
	e.Kill() // which forgets who has logged in
	e.Start()
	n := 0
	eventually(t, "writes go on after a restart of etcd", func() bool {
		err := s.Apply(reconfig.Txn{Meta: &reconfig.Meta{Self: 1, Term: 9}})
		if n++; n%200 == 1 {
			t.Log(err)
		}
		return err == nil
	})
	eventually(t, "the history goes on", func() bool {
		if err := s.Apply(reconfig.Txn{Samples: []reconfig.Stored{sample(1, 9)}}); err != nil {
			return false
		}
		return s.Followed()
	})
}
