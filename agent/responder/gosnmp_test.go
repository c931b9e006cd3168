package responder

import (
	"testing"

	"github.com/gosnmp/gosnmp"
)

// An independent implementation as the client.
func TestGoSNMP(t *testing.T) {
	for _, version := range []gosnmp.SnmpVersion{gosnmp.Version1, gosnmp.Version2c} {
		t.Run("v"+version.String(), func(t *testing.T) {
			r := start(t, testConfig())
			c := &gosnmp.GoSNMP{
				Target: r.Addr().Addr().String(), Port: r.Addr().Port(), Community: "private",
				Version: version, Timeout: patience, MaxOids: gosnmp.MaxOids, Context: t.Context(),
			}
			if err := c.Connect(); err != nil {
				t.Fatal(err)
			}
			defer c.Conn.Close()

			resp, err := c.Get([]string{object(1, 1, 0).String(), object(1, 2, 0).String(), object(1, 5, 0).String()})
			if err != nil || resp.Error != gosnmp.NoError {
				t.Fatalf("get: %v %v", err, resp)
			}
			if v := resp.Variables; v[0].Value != -42 || string(v[1].Value.([]byte)) != "hello" || v[2].Value != uint(4294967295) {
				t.Errorf("got %v", v)
			}

			walk := c.BulkWalkAll
			want := len(values())
			if version == gosnmp.Version1 {
				walk = c.WalkAll
				want-- // Counter64
			}
			all, err := walk(object(1).String())
			if err != nil || len(all) != want {
				t.Errorf("walk: %v, %d variables, not %d", err, len(all), want)
			}

			resp, err = c.Set([]gosnmp.SnmpPDU{
				{Name: object(1, 1, 0).String(), Type: gosnmp.Integer, Value: int(version) + 10},
				{Name: object(1, 2, 0).String(), Type: gosnmp.OctetString, Value: "by gosnmp"}})
			if err != nil || resp.Error != gosnmp.NoError {
				t.Fatalf("set: %v %v", err, resp)
			}
			if v := r.tree.Get(object(1, 1, 0)); v.Int != int64(version)+10 {
				t.Errorf("the tree has %v", v)
			}
			resp, err = c.Set([]gosnmp.SnmpPDU{{Name: object(2, 12, 0).String(), Type: gosnmp.Integer, Value: 1}})
			refusal := gosnmp.InconsistentValue
			if version == gosnmp.Version1 {
				refusal = gosnmp.BadValue
			}
			if err != nil || resp.Error != refusal || resp.ErrorIndex != 1 {
				t.Errorf("refused set: %v %v", err, resp)
			}
		})
	}
}
