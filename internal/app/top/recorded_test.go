package top

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"simone/internal/config"
	"simone/internal/device"
	"simone/internal/testbed"
	"simone/mib"
	"simone/profile"
)

// patience is for what must happen; only a test that fails waits so long.
const patience = 30 * time.Second

// recorded is a device that is played.
type recorded struct {
	*device.Recording
	name string
	at   netip.AddrPort
}

// column gives a column of the recording.
func (r *recorded) column(root mib.OID) (rows []mib.Variable) {
	for _, v := range r.Vars() {
		if v.Name.HasPrefix(root) {
			rows = append(rows, v)
		}
	}
	return rows
}

var ifHCInOctets = mib.MustOID("1.3.6.1.2.1.31.1.1.1.6")

// grow is by how much the counters of what is played grow a second.
const grow = 1_000_000

// startDevices plays recordings.
func startDevices(t *testing.T, want func(*recorded) bool, most int) (all []*recorded) {
	t.Helper()
	for _, file := range testbed.Recordings(t) {
		r, err := device.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := (&recorded{Recording: r}); want(d) {
			all = append(all, d)
		}
	}
	// The largest are the hardest.
	slices.SortFunc(all, func(a, b *recorded) int { return cmp.Compare(len(b.column(ifHCInOctets)), len(a.column(ifHCInOctets))) })
	all = all[:min(most, len(all))]
	for i, d := range all {
		p, err := device.New(device.Config{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Devices: []device.Device{{Recording: d.Recording}}, Grow: grow})
		if err != nil {
			t.Fatal(err)
		}
		d.name, d.at = fmt.Sprintf("d%d", i+1), p.Addr()
		background(t, p.Run)
	}
	return all
}

func background(t *testing.T, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// startTop runs a TLM that polls the devices itself.
func startTop(t *testing.T, devices []*recorded, of string) *Top {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`
name: tlm
listen: 127.0.0.1:0
advertise: 127.0.0.1:1161
state: %q
poll: 500ms
trigger: 1s
credentials: [{name: tree, community: public}]
communities: [{community: public}]
nodes:
`, filepath.Join(dir, "state"))
	for _, d := range devices {
		text += fmt.Sprintf("  - {name: %s, address: %q, kind: device%s}\n", d.name, d.at, of)
	}
	file := filepath.Join(dir, "tlm.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.LoadTLM(file)
	if err != nil {
		t.Fatal(err)
	}
	top, err := Open(Options{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := top.Close(); err != nil {
			t.Error(err)
		}
	})
	background(t, top.Run)
	return top
}

// node gives a device's NodeID; 0: it has none yet.
func (t *Top) node(name string) mib.NodeID {
	for _, n := range t.Manager().Conductor().Nodes() {
		if n.Name == name {
			return n.ID
		}
	}
	return 0
}

// value reads a cell of simoneMetricTable.
func (t *Top) value(node mib.NodeID, metric, instance uint32) (float64, bool) {
	v := t.Manager().Host().MetricRows().Value(mib.ColumnMetricValue, mib.OID{uint32(node), metric, instance})
	f, err := mib.ParseDecimal(v)
	return f, err == nil
}

// eventually waits until check has nothing more to say.
func eventually(t *testing.T, check func() string) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); ; <-ticker.C {
		said := check()
		if said == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(said)
		}
	}
}

// metrics maps the objects of a profile to their numbers.
func metrics(t *testing.T, name string) (p *profile.Profile, numbers []uint32) {
	t.Helper()
	p, ok := profile.BuiltInSet().Profile(name)
	if !ok {
		t.Fatalf("there is no profile %s", name)
	}
	for _, m := range p.Metrics() {
		numbers = append(numbers, m.Number)
	}
	return p, numbers
}

// The profile interfaces gives each row of each of its columns: of counters how
// fast they grow, of all else what was recorded.
func TestInterfacesOfRecordedDevices(t *testing.T) {
	t.Parallel()
	devices := startDevices(t, func(r *recorded) bool { return len(r.column(ifHCInOctets)) > 1 }, 3)
	if len(devices) < 3 {
		t.Skipf("only %d recordings have an ifXTable", len(devices))
	}
	top := startTop(t, devices, ", profile: interfaces")
	p, numbers := metrics(t, profile.Interfaces)
	rows := 0
	for _, d := range devices {
		var id mib.NodeID
		for i := range p.Objects {
			o := &p.Objects[i]
			for _, v := range d.column(o.OID) {
				instance := v.Name[len(v.Name)-1]
				rows++
				eventually(t, func() string {
					if id == 0 {
						id = top.node(d.name)
					}
					got, ok := top.value(id, numbers[i], instance)
					switch {
					case !ok:
						return fmt.Sprintf("%s (%s): no %s.%d", d.name, d.Name, o.Name, instance)
					case o.Kind == profile.Rate && math.Abs(got-grow) > grow/4:
						return fmt.Sprintf("%s (%s): %s.%d is %v a second, not %v", d.name, d.Name, o.Name, instance, got, grow)
					}
					if want, err := mib.Number(v.Value); o.Kind != profile.Rate && (err != nil || got != want*max(o.Scale, 1)) {
						return fmt.Sprintf("%s (%s): %s.%d is %v, not %v", d.name, d.Name, o.Name, instance, got, v.Value)
					}
					return ""
				})
			}
		}
	}
	t.Logf("%d values of %d devices", rows, len(devices))
}

// A device without a profile gets those that suit what it is.
func TestProfilesAreChosenBySysObjectID(t *testing.T) {
	t.Parallel()
	linux := mib.MustOID("1.3.6.1.4.1.8072.3.2.10")
	sysObjectID := mib.MustOID("1.3.6.1.2.1.1.2.0")
	devices := startDevices(t, func(r *recorded) bool { return r.Get(sysObjectID).OID.Equal(linux) }, 1)
	if len(devices) == 0 {
		t.Skip("no recording is of Linux")
	}
	top := startTop(t, devices, "")
	for _, name := range []string{mib.ProfileSystem, profile.Host, profile.Interfaces} {
		p, numbers := metrics(t, name)
		found := 0
		for i := range p.Objects {
			for _, v := range devices[0].column(p.Objects[i].OID) {
				instance := uint32(0)
				if p.Objects[i].Column {
					instance = v.Name[len(v.Name)-1]
				}
				found++
				eventually(t, func() string {
					if _, ok := top.value(top.node("d1"), numbers[i], instance); !ok {
						return fmt.Sprintf("no %s/%s.%d", name, p.Objects[i].Name, instance)
					}
					return ""
				})
			}
		}
		if found == 0 {
			t.Errorf("the recording has nothing of profile %s", name)
		}
	}
	n, _ := top.Manager().Conductor().Node(top.node("d1"))
	if !strings.HasPrefix(n.Profile, "auto@") {
		t.Errorf("its row names %q", n.Profile)
	}
}
