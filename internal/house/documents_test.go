package house

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"simone/internal/config"
)

// documents lists the files for people.
func documents(tb testing.TB) []string {
	tb.Helper()
	var docs []string
	for _, name := range files(tb) {
		if path.Ext(name) == ".md" {
			docs = append(docs, name)
		}
	}
	if !slices.Contains(docs, "README.md") {
		tb.Fatal("there is no README.md")
	}
	return docs
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(# (\\S+)\n.*?)^```$")

// What the documents say to write has to load, without a warning.
func TestConfigurationsInDocuments(t *testing.T) {
	loaded := 0
	for _, doc := range documents(t) {
		content := text(t, doc)
		blocks := yamlBlock.FindAllStringSubmatch(content, -1)
		if n := strings.Count(content, "```yaml"); n != len(blocks) {
			t.Errorf("%s has %d blocks of YAML and %d of them begin with the name of a file, as # tlm.yaml", doc, n, len(blocks))
		}
		for _, b := range blocks {
			t.Run(doc+" "+b[2], func(t *testing.T) {
				dir := t.TempDir()
				file := filepath.Join(dir, b[2])
				for name, text := range map[string]string{file: b[1], filepath.Join(dir, "tree.secret"): "some-long-word\n"} {
					if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				var warnings []string
				switch b[2] {
				case "tlm.yaml":
					c, err := config.LoadTLM(file)
					if err != nil {
						t.Fatal(err)
					}
					warnings = c.Warnings
				case "simoned.yaml":
					c, err := config.LoadNode(file)
					if err != nil {
						t.Fatal(err)
					}
					warnings = c.Warnings
				default:
					t.Fatal("nothing loads a file of this name")
				}
				if len(warnings) > 0 {
					t.Errorf("warnings: %q", warnings)
				}
			})
			loaded++
		}
	}
	if loaded == 0 {
		t.Error("no document has a configuration")
	}
}

// Every file of configs/ is loaded by a test; this one only holds the test
// that does so to its word.
func TestConfigurationsAreTested(t *testing.T) {
	shipped, err := filepath.Glob(filepath.Join(root, "configs", "*.yaml"))
	if err != nil || len(shipped) == 0 {
		t.Fatalf("configs/ has %v (%v)", shipped, err)
	}
	tests := text(t, "internal/config/load_test.go")
	for _, file := range shipped {
		if !strings.Contains(tests, `"`+filepath.Base(file)+`"`) {
			t.Errorf("no test loads configs/%s", filepath.Base(file))
		}
	}
}

var (
	link     = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
	mention  = regexp.MustCompile(`\bdocs/[\w-]+\.md\b`)
	command  = regexp.MustCompile(`(?m)(?:^    |` + "`" + `)make ([a-z]+)`)
	makeRule = regexp.MustCompile(`(?m)^([a-z]+):`)
)

func TestLinksLeadSomewhere(t *testing.T) {
	check := func(from, to string) {
		if _, err := os.Stat(filepath.Join(root, to)); err != nil {
			t.Errorf("%s points to %s, which is not there", from, to)
		}
	}
	for _, doc := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(text(t, doc), -1) {
			check(doc, path.Join(path.Dir(doc), m[1]))
		}
	}
	for _, name := range files(t) {
		for _, m := range mention.FindAllString(text(t, name), -1) {
			check(name, m)
		}
	}
}

func TestCommandsInDocumentsExist(t *testing.T) {
	targets := make(map[string]bool)
	for _, m := range makeRule.FindAllStringSubmatch(text(t, "Makefile"), -1) {
		targets[m[1]] = true
	}
	for _, doc := range documents(t) {
		for _, m := range command.FindAllStringSubmatch(text(t, doc), -1) {
			if !targets[m[1]] {
				t.Errorf("%s says make %s, which Makefile does not know", doc, m[1])
			}
		}
	}
	for _, must := range []string{"build", "demo", "test", "check", "race", "bench", "fuzz", "mibs", "help"} {
		if !targets[must] {
			t.Errorf("Makefile has no target %s", must)
		}
	}
}
