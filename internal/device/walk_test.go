package device

import (
	"context"
	"flag"
	"path/filepath"
	"testing"
	"time"

	"simone/internal/snmp"
	"simone/internal/testbed"
	"simone/mib"
)

// large has the walks with loss read the largest recordings too, which takes
// as long as what was lost needs to be missed.
var large = flag.Bool("device.large", false, "walk large recordings with loss, too")

// Every recording is walked whole, each variable with its name, type and value,
// however badly the device answers.
func TestRealRecordingsAreWalkedWhole(t *testing.T) {
	for _, file := range testbed.Recordings(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			r, err := Open(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, tt := range []struct {
				name       string
				credential string
				faults     Faults
			}{
				{"V2c", "v2c", Faults{}},
				{"V3", "v3", Faults{}},
				{"TooBig", "v2c", Faults{TooBig: 20}},
				{"Loss", "v2c", Faults{Loss: 0.05, Seed: 1}},
				{"All", "v3", Faults{Loss: 0.05, Duplicate: 0.05, Garbage: 0.05, TooBig: 20, Seed: 2}},
			} {
				t.Run(tt.name, func(t *testing.T) {
					if tt.faults.Loss > 0 && r.Len() > 1000 && !*large {
						t.Skip("only with -device.large")
					}
					u := user()
					p := start(t, Config{Devices: []Device{{Recording: r}}, User: &u, Faults: tt.faults})
					vars, err := walkAll(t, p, tt.credential)
					if err != nil {
						t.Error(err)
					}
					compare(t, vars, r.Vars())
				})
			}
		})
	}
}

// walkAll reads all that a player answers.
func walkAll(t *testing.T, p *Player, credential string) (vars []mib.Variable, err error) {
	poller := newPoller(t)
	base := mib.Request{Address: p.Addr(), Credential: credential, Timeout: 200 * time.Millisecond, Retries: 9}
	err = poller.Walk(context.Background(), base, mib.OID{}, func(v mib.Variable) error {
		vars = append(vars, v)
		return nil
	})
	return vars, err
}

// compare fails at the first variable that is not as it was recorded.
func compare(t *testing.T, got, want []mib.Variable) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !same(got[i], want[i]) {
			t.Fatalf("variable %d is %v, not %v", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d variables, not %d", len(got), len(want))
	}
}

func same(a, b mib.Variable) bool {
	return a.Name.Equal(b.Name) && a.Value.Type == b.Value.Type && a.Value.Int == b.Value.Int && a.Value.Uint == b.Value.Uint &&
		string(a.Value.Bytes) == string(b.Value.Bytes) && a.Value.OID.Equal(b.Value.OID)
}

// newPoller runs one that has the credentials v1, v2c and other, and v3 of the
// player's user.
func newPoller(tb testing.TB) *snmp.Poller {
	tb.Helper()
	keys, err := snmp.NewKeyring(
		snmp.Credential{Name: "v1", Version: snmp.V1, Community: "public"},
		snmp.Credential{Name: "v2c", Version: snmp.V2c, Community: "public"},
		snmp.Credential{Name: "other", Version: snmp.V2c, Community: "other"},
		snmp.Credential{Name: "v3", Version: snmp.V3, User: user()})
	if err != nil {
		tb.Fatal(err)
	}
	poller, err := snmp.NewPoller(snmp.PollerConfig{Timeout: patience}, keys)
	if err != nil {
		tb.Fatal(err)
	}
	run(tb, poller.Run)
	return poller
}
