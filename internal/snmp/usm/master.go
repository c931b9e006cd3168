package usm

import "fmt"

// MinPassphrase is how many octets a passphrase has at least (RFC 3414,
// section 11.2).
const MinPassphrase = 8

// expanded is how much of a repeated passphrase goes into its hash.
const expanded = 1 << 20

// Master are a user's keys before they are localised to an engine. Making
// them takes milliseconds: make them once for each user. They do not change
// and do not let themselves be printed.
type Master struct {
	auth    Auth
	priv    Priv
	authKey []byte
	privKey []byte
}

// NewMaster makes the keys out of passphrases. Without privacy, or without
// both, the passphrases left out are empty.
func NewMaster(auth Auth, authPassphrase string, priv Priv, privPassphrase string) (*Master, error) {
	m := &Master{auth: auth, priv: priv}
	if auth == NoAuth {
		if priv != NoPriv {
			return nil, fmt.Errorf("privacy with %v takes authentication too", priv)
		}
		return m, nil
	}
	if auth.hash() == nil {
		return nil, fmt.Errorf("%v is no authentication protocol", auth)
	}
	if len(authPassphrase) < MinPassphrase {
		return nil, fmt.Errorf("the authentication passphrase has %d octets; at least %d are needed", len(authPassphrase), MinPassphrase)
	}
	m.authKey = passwordToKey(auth, []byte(authPassphrase))
	if priv == NoPriv {
		return m, nil
	}
	if priv.keySize() == 0 {
		return nil, fmt.Errorf("%v is no privacy protocol", priv)
	}
	if len(privPassphrase) < MinPassphrase {
		return nil, fmt.Errorf("the privacy passphrase has %d octets; at least %d are needed", len(privPassphrase), MinPassphrase)
	}
	m.privKey = m.authKey
	if privPassphrase != authPassphrase {
		m.privKey = passwordToKey(auth, []byte(privPassphrase))
	}
	return m, nil
}

// Level is the best that the keys are good for.
func (m *Master) Level() Level {
	switch {
	case m.priv != NoPriv:
		return AuthPriv
	case m.auth != NoAuth:
		return AuthNoPriv
	}
	return NoAuthNoPriv
}

// Format keeps the keys out of what is printed.
func (m *Master) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%v/%v keys <redacted>", m.auth, m.priv)
}

// passwordToKey hashes the passphrase, repeated (RFC 3414, appendix A.2).
func passwordToKey(auth Auth, passphrase []byte) []byte {
	piece := make([]byte, 0, 4096+len(passphrase))
	for len(piece) < 4096 {
		piece = append(piece, passphrase...)
	}
	h := auth.hash()
	for left := expanded; left > 0; left -= len(piece) {
		_, _ = h.Write(piece[:min(left, len(piece))]) // a Hash's Write never fails
	}
	return h.Sum(nil)
}

// localize makes the key of one engine (RFC 3414, section 2.6).
func localize(auth Auth, key, engineID []byte) []byte { return digest(auth, key, engineID, key) }

func digest(auth Auth, parts ...[]byte) []byte {
	h := auth.hash()
	for _, p := range parts {
		_, _ = h.Write(p)
	}
	return h.Sum(nil)
}

// extend makes a localised key as long as the protocol wants it.
func extend(auth Auth, priv Priv, key, engineID []byte) []byte {
	size := priv.keySize()
	last := key
	for len(key) < size {
		switch priv {
		case AES192C, AES256C:
			// Reeder: the key so far is the next passphrase.
			last = localize(auth, passwordToKey(auth, last), engineID)
			key = append(key, last...)
		default:
			// Blumenthal: hash what there is.
			key = append(key, digest(auth, key)...)
		}
	}
	return key[:size]
}
