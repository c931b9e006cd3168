package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"
)

const redacted = "<redacted>"

// Secret is text that must not be shown: every way of printing or marshalling
// it gives <redacted>, or nothing when it is empty. Only Reveal gives it away.
type Secret struct {
	// A pointer, so that fmt shows an address and no text even where it may
	// not call methods, as in another package's unexported field.
	text *string
}

// NewSecret makes a secret.
func NewSecret(s string) Secret { return Secret{&s} }

// Reveal gives the text itself: for the wire, never for people.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter for all verbs.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML implements yaml.InterfaceMarshaler.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (s *Secret) decodeText(text string) error {
	*s = NewSecret(text)
	return nil
}

// Duration is a time written with its unit: 500ms, 10s, 1m30s.
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// MarshalYAML implements yaml.InterfaceMarshaler.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

func (d *Duration) decodeText(text string) error {
	v, err := time.ParseDuration(text)
	if err == nil {
		*d = Duration(v)
		return nil
	}
	if _, e := strconv.ParseFloat(text, 64); e == nil {
		return fmt.Errorf("%s has no unit; write for example %ss or %sms", text, text, text)
	}
	return fmt.Errorf("%q is not a time; write it as 500ms, 10s or 1m30s", text)
}
