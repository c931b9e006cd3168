package usm

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"
)

func mustHex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func mustKeys(tb testing.TB, auth Auth, priv Priv) *Keys {
	tb.Helper()
	m, err := NewMaster(auth, "maplesyrup", priv, "maplesyrup")
	if err != nil {
		tb.Fatal(err)
	}
	k, err := m.Localize(engineID)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// engineID is that of RFC 3414, appendix A.3.
var engineID = []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}

// RFC 3414, appendices A.3.1 and A.3.2: password to key, and localising.
func TestRFC3414AppendixA3(t *testing.T) {
	for _, tt := range []struct {
		auth           Auth
		key, localised string
	}{
		{MD5, "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"},
		{SHA1, "9fb5cc0381497b3793528939ff788d5d79145211", "6695febc9288e36282235fc7151f128497b38f3f"},
	} {
		t.Run(tt.auth.String(), func(t *testing.T) {
			key := passwordToKey(tt.auth, []byte("maplesyrup"))
			if !bytes.Equal(key, mustHex(t, tt.key)) {
				t.Errorf("key %x, not %s", key, tt.key)
			}
			if l := localize(tt.auth, key, engineID); !bytes.Equal(l, mustHex(t, tt.localised)) {
				t.Errorf("localised key %x, not %s", l, tt.localised)
			}
		})
	}
}

// RFC 3414, appendix A.5: the key change of MD5 needs the localised keys of
// two passphrases.
func TestRFC3414AppendixA5(t *testing.T) {
	for _, tt := range []struct {
		auth      Auth
		localised string
	}{
		{MD5, "87021d7bd9d101ba05ea6e3bf9d9bd4a"},
		{SHA1, "78e2dcce79d59403b58c1bbaa5bff46391f1cd25"},
	} {
		t.Run(tt.auth.String(), func(t *testing.T) {
			if l := localize(tt.auth, passwordToKey(tt.auth, []byte("newsyrup")), engineID); !bytes.Equal(l, mustHex(t, tt.localised)) {
				t.Errorf("localised key %x, not %s", l, tt.localised)
			}
		})
	}
}

// The drafts' keys of 256 bits from SHA-1.
func TestKeyExtension(t *testing.T) {
	for _, tt := range []struct {
		priv Priv
		key  string
	}{
		{AES256, "6695febc9288e36282235fc7151f128497b38f3f505e07eb9af25568fa1f5dbe"},
		{AES192, "6695febc9288e36282235fc7151f128497b38f3f505e07eb"},
		{AES256C, "6695febc9288e36282235fc7151f128497b38f3f9b8b6d78936ba6e7d19dfd9c"},
		{AES192C, "6695febc9288e36282235fc7151f128497b38f3f9b8b6d78"},
		{AES128, "6695febc9288e36282235fc7151f1284"},
	} {
		t.Run(tt.priv.String(), func(t *testing.T) {
			key := localize(SHA1, passwordToKey(SHA1, []byte("maplesyrup")), engineID)
			if got := extend(SHA1, tt.priv, key, engineID); !bytes.Equal(got, mustHex(t, tt.key)) {
				t.Errorf("key %x, not %s", got, tt.key)
			}
		})
	}
	t.Run("NotNeeded", func(t *testing.T) {
		key := localize(SHA256, passwordToKey(SHA256, []byte("maplesyrup")), engineID)
		if !bytes.Equal(extend(SHA256, AES256, key, engineID), key) || !bytes.Equal(extend(SHA256, AES256C, key, engineID), key) {
			t.Error("a long key was extended")
		}
	})
}

func TestSignAndVerify(t *testing.T) {
	sizes := map[Auth]int{MD5: 12, SHA1: 12, SHA224: 16, SHA256: 24, SHA384: 32, SHA512: 48} // RFC 3414, RFC 7860 section 4.2
	for auth := MD5; auth <= SHA512; auth++ {
		t.Run(auth.String(), func(t *testing.T) {
			k, other := mustKeys(t, auth, NoPriv), mustKeys(t, auth, AES128)
			n := k.MACSize()
			if n != sizes[auth] {
				t.Fatalf("a MAC of %d octets, not %d", n, sizes[auth])
			}
			message := bytes.Repeat([]byte("message "), 20)
			const at = 17
			k.Sign(message, at)
			if !other.Verify(message, at, n) {
				t.Fatal("its own MAC is refused")
			}
			for _, size := range []int{0, 1, n - 1, n + 1} {
				if k.Verify(message, at, size) {
					t.Errorf("a MAC of %d octets is accepted", size)
				}
			}
			for i := range message {
				message[i] ^= 1
				if k.Verify(message, at, n) {
					t.Errorf("a message with octet %d changed is accepted", i)
				}
				message[i] ^= 1
			}
			m, err := NewMaster(auth, "maplesyrups", NoPriv, "")
			if err != nil {
				t.Fatal(err)
			}
			wrong, err := m.Localize(engineID)
			if err != nil {
				t.Fatal(err)
			}
			if wrong.Verify(message, at, n) {
				t.Error("another passphrase's keys accept it")
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		m, err := NewMaster(NoAuth, "", NoPriv, "")
		if err != nil {
			t.Fatal(err)
		}
		k, err := m.Localize(engineID)
		if err != nil || k.Verify([]byte("x"), 0, 0) {
			t.Errorf("a message is authentic without keys (%v)", err)
		}
	})
}

func TestEncryptAndDecrypt(t *testing.T) {
	for priv := DES; priv <= AES256C; priv++ {
		t.Run(priv.String(), func(t *testing.T) {
			k, other := mustKeys(t, SHA1, priv), mustKeys(t, SHA1, priv)
			for _, size := range []int{1, 7, 8, 15, 16, 17, 100, 4096} {
				plain := bytes.Repeat([]byte{0x30}, k.CipherSize(size))
				if pad := len(plain) - size; pad < 0 || pad > k.Padding() {
					t.Fatalf("%d octets are padded to %d", size, len(plain))
				}
				data := bytes.Clone(plain)
				salt := k.Salt(3)
				k.Encrypt(data, 3, 4, salt)
				if bytes.Equal(data, plain) {
					t.Errorf("%d octets go out in clear", size)
				}
				again := bytes.Clone(data)
				if err := other.Decrypt(data, 3, 4, salt[:]); err != nil || !bytes.Equal(data, plain) {
					t.Errorf("%d octets come back as %x, %v", size, data, err)
				}
				salt[7] ^= 1
				if err := other.Decrypt(again, 3, 4, salt[:]); err != nil || bytes.Equal(again, plain) {
					t.Errorf("with another salt: %v", err)
				}
			}
			if first, second := k.Salt(1), k.Salt(1); first == second {
				t.Error("a salt is used twice")
			}
			for _, size := range []int{0, 7, 9} {
				if err := k.Decrypt(make([]byte, 8), 1, 1, make([]byte, size)); err == nil {
					t.Errorf("a salt of %d octets is accepted", size)
				}
			}
			if err := k.Decrypt(nil, 1, 1, make([]byte, SaltSize)); err == nil {
				t.Error("nothing can be decrypted")
			}
		})
	}
	t.Run("DESWantsWholeBlocks", func(t *testing.T) {
		if err := mustKeys(t, SHA1, DES).Decrypt(make([]byte, 9), 1, 1, make([]byte, SaltSize)); err == nil {
			t.Error("9 octets were decrypted")
		}
	})
}

func TestMasterRefuses(t *testing.T) {
	for _, tt := range []struct {
		name           string
		auth           Auth
		authPassphrase string
		priv           Priv
		privPassphrase string
		wanted         bool
	}{
		{"PrivWithoutAuth", NoAuth, "", AES128, "long enough", false},
		{"ShortAuth", SHA256, "7 octet", NoPriv, "", false},
		{"ShortPriv", SHA256, "8 octets", AES128, "", false},
		{"UnknownAuth", 77, "8 octets", NoPriv, "", false},
		{"UnknownPriv", SHA1, "8 octets", 77, "8 octets", false},
		{"Good", SHA1, "8 octets", AES256C, "8 octetz", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := NewMaster(tt.auth, tt.authPassphrase, tt.priv, tt.privPassphrase)
			if (err == nil) != tt.wanted {
				t.Errorf("%v, error %v", m, err)
			}
		})
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	m, err := NewMaster(SHA1, "maplesyrup", AES128, "maplesyrup")
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.Localize(engineID)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
		if s := fmt.Sprintf(verb+" "+verb, m, k); !bytes.Contains([]byte(s), []byte("redacted")) || len(s) > 80 {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

func TestNames(t *testing.T) {
	for _, s := range append(AuthNames(), "SHA-256", "SHA", "MD5") {
		if a, err := ParseAuth(s); err != nil || a == NoAuth {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range append(PrivNames(), "AES", "AES-256", "AES-256-C", "DES") {
		if p, err := ParsePriv(s); err != nil || p == NoPriv {
			t.Errorf("%s: %v", s, err)
		}
	}
	for a := MD5; a <= SHA512; a++ {
		if got, err := ParseAuth(a.String()); err != nil || got != a {
			t.Errorf("%v is read as %v, %v", a, got, err)
		}
	}
	for p := DES; p <= AES256C; p++ {
		if got, err := ParsePriv(p.String()); err != nil || got != p {
			t.Errorf("%v is read as %v, %v", p, got, err)
		}
	}
	for l := NoAuthNoPriv; l <= AuthPriv; l++ {
		if got, err := ParseLevel(l.String()); err != nil || got != l {
			t.Errorf("%v is read as %v, %v", l, got, err)
		}
	}
	for _, s := range []string{"", "none", "sha3"} {
		_, errA := ParseAuth(s)
		_, errP := ParsePriv(s)
		_, errL := ParseLevel(s)
		if errA == nil || errP == nil || errL == nil {
			t.Errorf("%q is a name", s)
		}
	}
}

func TestMessagesDoNotAllocate(t *testing.T) {
	for _, priv := range []Priv{DES, AES128, AES256} {
		k := mustKeys(t, SHA256, priv)
		data := make([]byte, 304)
		if n := testing.AllocsPerRun(100, func() {
			salt := k.Salt(1)
			k.Encrypt(data, 1, 2, salt)
			k.Sign(data, 10)
			if !k.Verify(data, 10, k.MACSize()) {
				t.Error("not verified")
			}
			if err := k.Decrypt(data, 1, 2, salt[:]); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations", priv, n)
		}
	}
}

func BenchmarkPasswordToKey(b *testing.B) {
	for b.Loop() {
		passwordToKey(SHA256, []byte("maplesyrup"))
	}
}

func BenchmarkLocalize(b *testing.B) {
	m, err := NewMaster(SHA256, "maplesyrup", AES128, "maplesyrup")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := m.Localize(engineID); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMessage is the cryptography of one message of 300 octets.
func BenchmarkMessage(b *testing.B) {
	k := mustKeys(b, SHA256, AES128)
	data := make([]byte, 300)
	b.ReportAllocs()
	for b.Loop() {
		k.Encrypt(data[100:], 1, 2, k.Salt(1))
		k.Sign(data, 10)
	}
}
