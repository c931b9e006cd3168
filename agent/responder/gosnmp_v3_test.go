package responder

import (
	"strings"
	"testing"

	"github.com/gosnmp/gosnmp"

	"simone/mib"
)

// goSNMP gives an independent client for a user of v3Config.
func goSNMP(tb testing.TB, r *Responder, auth, priv string) *gosnmp.GoSNMP {
	tb.Helper()
	c := &gosnmp.GoSNMP{
		Target: r.Addr().Addr().String(), Port: r.Addr().Port(), Version: gosnmp.Version3,
		Timeout: patience, MaxOids: gosnmp.MaxOids, Context: tb.Context(),
		SecurityModel: gosnmp.UserSecurityModel, MsgFlags: gosnmp.AuthPriv,
		SecurityParameters: &gosnmp.UsmSecurityParameters{
			UserName:                 auth + "-" + priv,
			AuthenticationPassphrase: authPassphrase,
			PrivacyPassphrase:        privPassphrase,
			AuthenticationProtocol: map[string]gosnmp.SnmpV3AuthProtocol{
				"md5": gosnmp.MD5, "sha1": gosnmp.SHA, "sha224": gosnmp.SHA224, "sha256": gosnmp.SHA256,
				"sha384": gosnmp.SHA384, "sha512": gosnmp.SHA512}[auth],
			PrivacyProtocol: map[string]gosnmp.SnmpV3PrivProtocol{
				"des": gosnmp.DES, "aes128": gosnmp.AES, "aes192": gosnmp.AES192, "aes256": gosnmp.AES256,
				"aes192c": gosnmp.AES192C, "aes256c": gosnmp.AES256C}[priv],
		},
	}
	if err := c.Connect(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Conn.Close() })
	return c
}

// Every pair of protocols with an independent implementation.
func TestGoSNMPv3(t *testing.T) {
	r := start(t, v3Config(t))
	for _, p := range protocols() {
		t.Run(strings.Join(p[:], "/"), func(t *testing.T) {
			c := goSNMP(t, r, p[0], p[1])
			resp, err := c.Get([]string{object(1, 2, 0).String(), object(1, 5, 0).String()})
			if err != nil || resp.Error != gosnmp.NoError {
				t.Fatalf("get: %v %v", err, resp)
			}
			if v := resp.Variables; string(v[0].Value.([]byte)) != "hello" && string(v[0].Value.([]byte)) != "by gosnmp" || v[1].Value != uint(4294967295) {
				t.Errorf("got %v", v)
			}
			all, err := c.BulkWalkAll(object(1).String())
			if err != nil || len(all) != len(values()) {
				t.Errorf("walk: %v, %d variables", err, len(all))
			}
			resp, err = c.Set([]gosnmp.SnmpPDU{{Name: object(1, 2, 0).String(), Type: gosnmp.OctetString, Value: "by gosnmp"}})
			if err != nil || resp.Error != gosnmp.NoError {
				t.Fatalf("set: %v %v", err, resp)
			}
			resp, err = c.Set([]gosnmp.SnmpPDU{{Name: object(2, 12, 0).String(), Type: gosnmp.Integer, Value: 1}})
			if err != nil || resp.Error != gosnmp.InconsistentValue || resp.ErrorIndex != 1 {
				t.Errorf("refused set: %v %v", err, resp)
			}
		})
	}
}

// BenchmarkV3Get5 is one GET of five variables after another with authPriv,
// asked by the project's poller and by gosnmp; the responder's work is in
// both.
func BenchmarkV3Get5(b *testing.B) {
	cfg := v3Config(b)
	r := start(b, cfg)
	names := make([]mib.OID, 5)
	var texts []string
	for i := range names {
		names[i] = object(1, uint32(i+1), 0)
		texts = append(texts, names[i].String())
	}
	b.Run("simone", func(b *testing.B) {
		p := startPollerV3(b, cfg)
		req := request("sha256-aes128", mib.VerbGet, names...)
		req.Address = r.Addr()
		b.ReportAllocs()
		for b.Loop() {
			if resp := p.Do(b.Context(), req); resp.Err != nil || len(resp.Vars) != len(names) {
				b.Fatal(resp.Err)
			}
		}
	})
	b.Run("gosnmp", func(b *testing.B) {
		c := goSNMP(b, r, "sha256", "aes128")
		b.ReportAllocs()
		for b.Loop() {
			if resp, err := c.Get(texts); err != nil || len(resp.Variables) != len(names) {
				b.Fatal(err)
			}
		}
	})
}
