package snmpdconf

import (
	"strings"

	"simone/internal/snmp/usm"
)

// AuthName is what net-snmp calls an authentication protocol, in createUser and
// behind -a; "" for none.
func AuthName(a usm.Auth) string {
	switch a {
	case usm.NoAuth:
		return ""
	case usm.MD5:
		return "MD5"
	case usm.SHA1:
		return "SHA"
	}
	return "SHA-" + strings.TrimPrefix(a.String(), "sha")
}

// PrivName is what net-snmp calls a privacy protocol, in createUser and behind
// -x; "" for none.
func PrivName(p usm.Priv) string {
	switch p {
	case usm.NoPriv:
		return ""
	case usm.DES:
		return "DES"
	case usm.AES128:
		return "AES"
	}
	bits, cisco := strings.CutSuffix(strings.TrimPrefix(p.String(), "aes"), "c")
	if cisco {
		return "AES-" + bits + "-C"
	}
	return "AES-" + bits
}
