package usm

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"
)

// Level is how a message is protected; a higher one is better. The numbers
// are those of SnmpSecurityLevel (RFC 3411, section 5).
type Level uint8

// The levels of security.
const (
	NoAuthNoPriv Level = iota + 1
	AuthNoPriv
	AuthPriv
)

func (l Level) String() string {
	switch l {
	case NoAuthNoPriv:
		return "noAuthNoPriv"
	case AuthNoPriv:
		return "authNoPriv"
	case AuthPriv:
		return "authPriv"
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// ParseLevel reads what String gives, in whatever case.
func ParseLevel(s string) (Level, error) {
	for l := NoAuthNoPriv; l <= AuthPriv; l++ {
		if strings.EqualFold(s, l.String()) {
			return l, nil
		}
	}
	return 0, fmt.Errorf("security level %q; write authPriv, authNoPriv or noAuthNoPriv", s)
}

// Auth is an authentication protocol; the zero Auth is none.
type Auth uint8

// The authentication protocols. MD5 and SHA1 are for old devices.
const (
	NoAuth Auth = iota
	MD5         // HMAC-MD5-96
	SHA1        // HMAC-SHA-96
	SHA224      // HMAC-128-SHA-224
	SHA256      // HMAC-192-SHA-256
	SHA384      // HMAC-256-SHA-384
	SHA512      // HMAC-384-SHA-512
)

// AuthNames are the names that ParseAuth knows best.
func AuthNames() []string { return []string{"sha256", "sha512", "sha384", "sha224", "sha1", "md5"} }

func (a Auth) String() string {
	switch a {
	case NoAuth:
		return "none"
	case MD5:
		return "md5"
	case SHA1:
		return "sha1"
	case SHA224:
		return "sha224"
	case SHA256:
		return "sha256"
	case SHA384:
		return "sha384"
	case SHA512:
		return "sha512"
	}
	return fmt.Sprintf("auth(%d)", uint8(a))
}

// ParseAuth reads the name of a protocol: sha256 as SHA-256, and sha is sha1.
func ParseAuth(s string) (Auth, error) {
	switch plain(s) {
	case "md5":
		return MD5, nil
	case "sha", "sha1":
		return SHA1, nil
	case "sha224":
		return SHA224, nil
	case "sha256":
		return SHA256, nil
	case "sha384":
		return SHA384, nil
	case "sha512":
		return SHA512, nil
	}
	return 0, fmt.Errorf("authentication protocol %q; write %s", s, strings.Join(AuthNames(), ", "))
}

// plain makes one of the ways to write a protocol's name.
func plain(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "") }

// maxMAC is the size of the longest MAC in a message.
const maxMAC = 48

// MACSize is how many octets of the HMAC travel in a message.
func (a Auth) MACSize() int {
	switch a {
	case MD5, SHA1:
		return 12
	case SHA224:
		return 16
	case SHA256:
		return 24
	case SHA384:
		return 32
	case SHA512:
		return maxMAC
	}
	return 0
}

// hash gives a new hash, nil for none.
func (a Auth) hash() hash.Hash {
	switch a {
	case MD5:
		return md5.New()
	case SHA1:
		return sha1.New()
	case SHA224:
		return sha256.New224()
	case SHA256:
		return sha256.New()
	case SHA384:
		return sha512.New384()
	case SHA512:
		return sha512.New()
	}
	return nil
}

// Priv is a privacy protocol; the zero Priv is none.
type Priv uint8

// The privacy protocols. DES is for old devices.
const (
	NoPriv Priv = iota
	DES
	AES128
	AES192
	AES256
	AES192C
	AES256C
)

// PrivNames are the names that ParsePriv knows best.
func PrivNames() []string {
	return []string{"aes128", "aes256", "aes192", "aes256c", "aes192c", "des"}
}

func (p Priv) String() string {
	switch p {
	case NoPriv:
		return "none"
	case DES:
		return "des"
	case AES128:
		return "aes128"
	case AES192:
		return "aes192"
	case AES256:
		return "aes256"
	case AES192C:
		return "aes192c"
	case AES256C:
		return "aes256c"
	}
	return fmt.Sprintf("priv(%d)", uint8(p))
}

// ParsePriv reads the name of a protocol: aes256 as AES-256, and aes is
// aes128.
func ParsePriv(s string) (Priv, error) {
	switch plain(s) {
	case "des":
		return DES, nil
	case "aes", "aes128":
		return AES128, nil
	case "aes192":
		return AES192, nil
	case "aes256":
		return AES256, nil
	case "aes192c":
		return AES192C, nil
	case "aes256c":
		return AES256C, nil
	}
	return 0, fmt.Errorf("privacy protocol %q; write %s", s, strings.Join(PrivNames(), ", "))
}

// keySize is how many octets of key the protocol takes.
func (p Priv) keySize() int {
	switch p {
	case DES, AES128: // DES: 8 of key, 8 to begin the IV with
		return 16
	case AES192, AES192C:
		return 24
	case AES256, AES256C:
		return 32
	}
	return 0
}
