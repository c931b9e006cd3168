package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
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
