package chassis

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simone/internal/config"
	"simone/mib"
)

// A node advertises its profiles with their digests, knows what their metrics
// mean, and takes files that have changed.
func TestProfilesAreAdvertisedAndReadAgain(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	oven := func(unit string) {
		write("oven.yaml", "profiles: [{name: oven, objects: [{object: 1.3.6.1.4.1.99999.1.0, name: fuel, unit: "+unit+"}]}]\n")
	}
	oven("litres")
	file := write("simoned.yaml", fmt.Sprintf("name: n2\nlisten: 127.0.0.1:0\nadvertise: 127.0.0.1:1161\nstate: %q\ncommunities: [{community: public}]\nprofiles: {files: [\"*n.yaml\"]}\n", filepath.Join(dir, "state")))
	load := func() *config.Node {
		cfg, err := config.LoadNode(file)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	c, err := Open(Options{Config: load(), Role: mib.RoleLeaf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Node.Register(c.Tree); err != nil {
		t.Fatal(err)
	}
	check := func(unit string) (ref string) {
		t.Helper()
		p, ok := c.Profiles().Profile("oven")
		if !ok || !strings.Contains(c.Node.Capabilities(), "profile:"+p.Ref()) || !strings.Contains(c.Node.Capabilities(), "profile:auto@") {
			t.Fatalf("it says that it holds %s", c.Node.Capabilities())
		}
		shown := c.Tree.Get(mib.SimoneMetricRegistryUnit.Append(p.Metrics()[0].Number))
		if string(shown.Bytes) != unit {
			t.Errorf("simoneMetricRegistryUnit is %v, not %s", shown, unit)
		}
		return p.Ref()
	}
	first := check("litres")
	held := c.Profiles()
	if err := c.Reload(nil, load()); err != nil || c.Profiles() != held {
		t.Errorf("nothing has changed, and the profiles are others (%v)", err)
	}
	oven("gallons")
	if err := c.Reload(nil, load()); err != nil {
		t.Fatal(err)
	}
	if second := check("gallons"); second == first {
		t.Errorf("a profile that has changed is still %s", first)
	}
	many := "profiles:\n"
	for i := range 100 {
		many += fmt.Sprintf("  - {name: p%d, objects: [ifNumber]}\n", i)
	}
	write("many.yaml", many)
	write("simoned.yaml", strings.ReplaceAll(string(must(os.ReadFile(file))), "*n.yaml", "*y.yaml"))
	if err := c.Reload(nil, load()); err != nil {
		t.Fatal(err)
	}
	if got := c.Node.Capabilities(); got != "profile:*" {
		t.Errorf("with more profiles than fit it says that it holds %s", got)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
