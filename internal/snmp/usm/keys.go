package usm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// SaltSize is the size of msgPrivacyParameters when a message is encrypted.
const SaltSize = 8

// ErrDecrypt says that a message's cipher text cannot be one of its protocol.
var ErrDecrypt = errors.New("cannot be decrypted")

// Keys are a user's keys localised to one engine, with the objects of the
// protocols, which are used again for each message: nothing here allocates
// but Localize. They are for one goroutine at a time.
type Keys struct {
	auth  Auth
	mac   hash.Hash
	sum   [64]byte
	zeros [maxMAC]byte

	priv   Priv
	block  cipher.Block
	preIV  [des.BlockSize]byte
	salt   uint64
	iv     [aes.BlockSize]byte
	stream [aes.BlockSize]byte
}

// Localize makes the keys for the engine of that id. It takes microseconds,
// and with AES192C or AES256C and a short hash milliseconds: keep them.
func (m *Master) Localize(engineID []byte) (*Keys, error) {
	k := &Keys{auth: m.auth, priv: m.priv}
	if m.auth == NoAuth {
		return k, nil
	}
	k.mac = hmac.New(m.auth.hash, localize(m.auth, m.authKey, engineID))
	if m.priv == NoPriv {
		return k, nil
	}
	key := extend(m.auth, m.priv, localize(m.auth, m.privKey, engineID), engineID)
	var err error
	if m.priv == DES {
		copy(k.preIV[:], key[des.BlockSize:])
		k.block, err = des.NewCipher(key[:des.BlockSize])
	} else {
		k.block, err = aes.NewCipher(key)
	}
	if err != nil {
		return nil, fmt.Errorf("keys for %v: %w", m.priv, err)
	}
	// Two runs of a program must not begin at the same salt.
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	k.salt = binary.BigEndian.Uint64(b[:])
	return k, nil
}

// Level is the best that the keys are good for.
func (k *Keys) Level() Level {
	switch {
	case k.priv != NoPriv:
		return AuthPriv
	case k.auth != NoAuth:
		return AuthNoPriv
	}
	return NoAuthNoPriv
}

// MACSize is how many octets a MAC of these keys has.
func (k *Keys) MACSize() int { return k.auth.MACSize() }

// Sign puts the MAC of the whole message into it, at offset at; the keys'
// Level must be AuthNoPriv at least.
func (k *Keys) Sign(message []byte, at int) {
	copy(message[at:at+k.MACSize()], k.compute(message, at, k.MACSize()))
}

// Verify reports whether the size octets at offset at are the MAC of the
// message. Of another size than the protocol's they never are.
func (k *Keys) Verify(message []byte, at, size int) bool {
	if k.auth == NoAuth || size != k.MACSize() || at < 0 || at+size > len(message) {
		return false
	}
	return subtle.ConstantTimeCompare(message[at:at+size], k.compute(message, at, size)) == 1
}

// compute gives the MAC of the message with zeros where the MAC stands.
func (k *Keys) compute(message []byte, at, size int) []byte {
	k.mac.Reset()
	_, _ = k.mac.Write(message[:at]) // a Hash's Write never fails
	_, _ = k.mac.Write(k.zeros[:size])
	_, _ = k.mac.Write(message[at+size:])
	return k.mac.Sum(k.sum[:0])[:size]
}

// CipherSize is how many octets size octets have when they are encrypted.
func (k *Keys) CipherSize(size int) int {
	if k.priv == DES {
		return (size + des.BlockSize - 1) / des.BlockSize * des.BlockSize
	}
	return size
}

// Padding is how many octets may stand behind what was encrypted.
func (k *Keys) Padding() int {
	if k.priv == DES {
		return des.BlockSize
	}
	return 0
}

// Salt gives the next message's privacy parameters, which no other message
// has under these keys. boots are the authoritative engine's.
func (k *Keys) Salt(boots int32) (salt [SaltSize]byte) {
	k.salt++
	if k.priv == DES {
		binary.BigEndian.PutUint32(salt[:4], uint32(boots))
		binary.BigEndian.PutUint32(salt[4:], uint32(k.salt))
		return salt
	}
	binary.BigEndian.PutUint64(salt[:], k.salt)
	return salt
}

// Encrypt encrypts data, of CipherSize octets, in place. boots and clock are
// the authoritative engine's, as in the message.
func (k *Keys) Encrypt(data []byte, boots, clock int32, salt [SaltSize]byte) {
	k.begin(boots, clock, salt)
	if k.priv == DES {
		for ; len(data) >= des.BlockSize; data = data[des.BlockSize:] {
			b := data[:des.BlockSize]
			subtle.XORBytes(b, b, k.iv[:des.BlockSize])
			k.block.Encrypt(b, b)
			copy(k.iv[:], b)
		}
		return
	}
	for len(data) > 0 {
		k.block.Encrypt(k.stream[:], k.iv[:])
		n := subtle.XORBytes(data, data, k.stream[:])
		copy(k.iv[:], data[:n])
		data = data[n:]
	}
}

// Decrypt decrypts data in place. It fails with ErrDecrypt when data or salt
// are not of a size that the protocol makes; what was encrypted with other
// keys comes out as noise.
func (k *Keys) Decrypt(data []byte, boots, clock int32, salt []byte) error {
	if k.priv == NoPriv || len(salt) != SaltSize || len(data) == 0 || k.CipherSize(len(data)) != len(data) {
		return ErrDecrypt
	}
	k.begin(boots, clock, [SaltSize]byte(salt))
	if k.priv == DES {
		for ; len(data) >= des.BlockSize; data = data[des.BlockSize:] {
			b := data[:des.BlockSize]
			copy(k.stream[:], b)
			k.block.Decrypt(b, b)
			subtle.XORBytes(b, b, k.iv[:des.BlockSize])
			copy(k.iv[:], k.stream[:des.BlockSize])
		}
		return nil
	}
	for len(data) > 0 {
		k.block.Encrypt(k.stream[:], k.iv[:])
		n := copy(k.iv[:], data)
		subtle.XORBytes(data, data, k.stream[:n])
		data = data[n:]
	}
	return nil
}

// begin makes the IV: RFC 3414, section 8.1.1.1, or RFC 3826, section 3.1.2.1.
func (k *Keys) begin(boots, clock int32, salt [SaltSize]byte) {
	if k.priv == DES {
		subtle.XORBytes(k.iv[:], k.preIV[:], salt[:])
		return
	}
	binary.BigEndian.PutUint32(k.iv[:4], uint32(boots))
	binary.BigEndian.PutUint32(k.iv[4:8], uint32(clock))
	copy(k.iv[8:], salt[:])
}

// Format keeps the keys out of what is printed.
func (k *Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "localised keys <redacted>") }
