package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// However a configuration is shown, its secrets are not.
func TestSecretNeverShows(t *testing.T) {
	const text = "hunter2"
	s := NewSecret(text)
	if s.Reveal() != text {
		t.Fatalf("Reveal() = %q", s.Reveal())
	}
	c := Credential{Name: "tree", Community: s}
	hidden := struct{ inner Credential }{c} // fmt may call no method of an unexported field
	shown := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown[verb] = fmt.Sprintf(verb, s)
		shown[verb+" in a struct"] = fmt.Sprintf(verb, c)
		shown[verb+" of a pointer"] = fmt.Sprintf(verb, &c)
		if got := fmt.Sprintf(verb, hidden); strings.Contains(got, text) || strings.Contains(got, fmt.Sprintf("%x", text)) {
			t.Errorf("%s of an unexported field shows it: %s", verb, got)
		}
	}
	for name, marshal := range map[string]func(any) ([]byte, error){
		"json": json.Marshal, "xml": xml.Marshal, "yaml": yaml.Marshal,
	} {
		b, err := marshal(c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		shown[name] = strings.NewReplacer("&lt;", "<", "&gt;", ">", `\u003c`, "<", `\u003e`, ">").Replace(string(b))
	}
	var buf bytes.Buffer
	slog.New(slog.NewTextHandler(&buf, nil)).Info("x", "secret", s)
	shown["slog text"] = buf.String()
	buf.Reset()
	slog.New(slog.NewTextHandler(&buf, nil)).Info("x", "credential", c)
	shown["slog struct"] = buf.String()
	for how, got := range shown {
		if strings.Contains(got, text) || strings.Contains(got, fmt.Sprintf("%x", text)) {
			t.Errorf("%s shows it: %s", how, got)
		}
		if !strings.Contains(got, redacted) {
			t.Errorf("%s does not say that something is there: %s", how, got)
		}
	}
	if got := fmt.Sprint(Secret{}); got != "" {
		t.Errorf("an empty secret prints as %q", got)
	}
}

func TestSecretFiles(t *testing.T) {
	const conf = "credentials:\n  - name: a\n    community_file: %\n"
	load := func(t *testing.T, content string, mode os.FileMode) (*TLM, error) {
		t.Helper()
		dir := t.TempDir()
		secret := filepath.Join(dir, "secret")
		if err := os.WriteFile(secret, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(secret, mode); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "tlm.yaml")
		if err := os.WriteFile(path, []byte(strings.Replace(conf, "%", "secret", 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		return LoadTLM(path)
	}
	t.Run("beside the configuration", func(t *testing.T) {
		c, err := load(t, "hunter2\n", 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Credentials[0].Community.Reveal(); got != "hunter2" {
			t.Errorf("community %q", got)
		}
		noWarnings(t, &c.Node)
	})
	t.Run("readable by everybody", func(t *testing.T) {
		c, err := load(t, "hunter2\n", 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "chmod 600") {
			t.Errorf("warnings %q", c.Warnings)
		}
	})
	for name, content := range map[string]string{"empty": "\n", "two lines": "hunter2\nhunter3\n"} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, content, 0o600)
			if err == nil || !strings.Contains(err.Error(), "in one line and nothing else") || strings.Contains(err.Error(), "hunter") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		mode       os.FileMode
		want       string // empty: none
	}{
		{"a secret in a private file", "credentials: [{name: a, community: hunter2}]", 0o600, ""},
		{"a secret for everybody", "credentials: [{name: a, community: hunter2}]", 0o644, "everybody on this machine may read it (mode 0644)"},
		{"private is no secret", "credentials: [{name: a, community: private}]", 0o644, ""},
		{"private may write from afar", "communities: [{community: private, write: ['1.3'], sources: [10.0.0.0/8]}]", 0o600, "choose a community of your own"},
		{"private may write from here", "communities: [{community: private, write: ['1.3']}]", 0o600, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := mustWrite(t, "n.yaml", tc.text)
			if err := os.Chmod(path, tc.mode); err != nil {
				t.Fatal(err)
			}
			c, err := LoadNode(path)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(c.Warnings, "\n")
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) || strings.Contains(got, "hunter2") {
				t.Errorf("warnings %q, want %q", got, tc.want)
			}
		})
	}
}
