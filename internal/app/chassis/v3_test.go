package chassis_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"simone/agent/responder"
	"simone/internal/app/chassis"
	"simone/internal/config"
	"simone/internal/snmp"
	"simone/mib"
)

// v3Node is a node that speaks SNMPv3 only, to and as the same user.
func v3Node(t *testing.T, state string) *config.Node {
	t.Helper()
	c := config.DefaultNode()
	c.Name, c.State, c.Listen = "n1", state, "127.78.1.1:0"
	keys := config.Security{
		Auth: config.Key{Passphrase: config.NewSecret("authentication")},
		Priv: config.Key{Protocol: "aes256", Passphrase: config.NewSecret("privacy, please")},
	}
	c.Credentials = []config.Credential{
		{Name: "tree", Version: "v3", User: "manager", Security: keys},
		{Name: "old", Version: "v2c", Community: config.NewSecret("public")},
	}
	c.Communities = nil
	c.Users = []config.User{{
		Name: "manager", Security: keys, Sources: []string{"127.0.0.0/8"}, Read: []string{"1"}, Write: []string{"simoneMIB"}, Hide: []string{"1.3.6.1.2.1.11"},
	}}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// A node of users alone answers them, as the same engine after each restart
// and in one more boot, and whoever asks it by v2c is told nothing.
func TestV3(t *testing.T) {
	state := t.TempDir()
	asker, err := chassis.Open(chassis.Options{Config: v3Node(t, t.TempDir()), From: netip.MustParseAddr("127.78.1.2")})
	if err != nil {
		t.Fatal(err)
	}
	running(t, asker)
	engine := ""
	for boot := int32(1); boot <= 3; boot++ {
		c, err := chassis.Open(chassis.Options{Config: v3Node(t, state)})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Node.Register(c.Tree); err != nil {
			t.Fatal(err)
		}
		stop := running(t, c)
		e := c.FrontEnd.(*responder.Responder).Engine()
		if n, _ := e.Now(); n != boot || engine != "" && e.String() != engine {
			t.Errorf("engine %v in boot %d, not %v in boot %d", e, n, engine, boot)
		}
		engine = e.String()
		if id := strings.ReplaceAll(c.Node.UUID(), "-", ""); engine != "80001f8805"+id {
			t.Errorf("engine %s of node %s", engine, id)
		}
		ask := func(credential string, names ...mib.OID) mib.Response {
			req := mib.Request{Address: c.FrontEnd.Addr(), Credential: credential, Verb: mib.VerbGet, Timeout: 5 * time.Second}
			for _, n := range names {
				req.Vars = append(req.Vars, mib.Variable{Name: n})
			}
			if credential == "old" {
				req.Timeout = 100 * time.Millisecond
			}
			return asker.Poller.Do(t.Context(), req)
		}
		r := ask("tree", mib.Instance(mib.SimoneNodeName), mib.MustOID("1.3.6.1.2.1.11.1.0"))
		if r.Err != nil || r.Vars[0].Value.String() != "n1" || r.Vars[1].Value.Type != mib.TypeNoSuchObject {
			t.Errorf("answer %+v", r)
		}
		if r := ask("old", mib.Instance(mib.SimoneNodeName)); !errors.Is(r.Err, mib.ErrTimeout) {
			t.Errorf("by v2c: %+v", r)
		}
		stop()
	}
	// Another passphrase takes effect without a restart.
	next := v3Node(t, t.TempDir())
	next.Credentials[0].Auth.Passphrase = config.NewSecret("another one")
	if err := asker.Rekey(next); err != nil {
		t.Fatal(err)
	}
	c, err := chassis.Open(chassis.Options{Config: v3Node(t, state)})
	if err != nil {
		t.Fatal(err)
	}
	running(t, c)
	var report *snmp.ReportError
	r := asker.Poller.Do(t.Context(), mib.Request{
		Address: c.FrontEnd.Addr(), Credential: "tree", Verb: mib.VerbGet, Timeout: 200 * time.Millisecond,
		Vars: []mib.Variable{{Name: mib.Instance(mib.SimoneNodeName)}},
	})
	if !errors.As(r.Err, &report) || report.Fault != snmp.WrongDigest {
		t.Errorf("with another passphrase: %+v", r)
	}
}

// running runs a chassis until stop is called or the test ends.
func running(t *testing.T, c *chassis.Chassis) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := c.Run(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
		ended <- errors.Join(err, c.Close())
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}
