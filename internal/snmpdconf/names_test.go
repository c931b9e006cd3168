package snmpdconf

import (
	"testing"

	"simone/internal/snmp/usm"
)

func TestNames(t *testing.T) {
	for a, want := range map[usm.Auth]string{usm.NoAuth: "", usm.MD5: "MD5", usm.SHA1: "SHA", usm.SHA224: "SHA-224", usm.SHA256: "SHA-256", usm.SHA384: "SHA-384", usm.SHA512: "SHA-512"} {
		if got := AuthName(a); got != want {
			t.Errorf("%v: %q, want %q", a, got, want)
		}
	}
	for p, want := range map[usm.Priv]string{usm.NoPriv: "", usm.DES: "DES", usm.AES128: "AES", usm.AES192: "AES-192", usm.AES256: "AES-256", usm.AES192C: "AES-192-C", usm.AES256C: "AES-256-C"} {
		if got := PrivName(p); got != want {
			t.Errorf("%v: %q, want %q", p, got, want)
		}
	}
}
