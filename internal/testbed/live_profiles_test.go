//go:build linux

package testbed

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"simone/internal/config"
	played "simone/internal/device"
	"simone/mib"
)

// ports is a profile of a scalar and of columns of two tables.
const ports = `
profiles:
  - name: ports
    objects: [{object: 1.3.6.1.2.1.2.1.0, name: ports}]
    tables:
      - columns: [{object: ifHCInOctets, name: in, unit: octets/s}]
      - columns: [{object: 1.3.6.1.2.1.2.2.1.8, name: oper, as: value}]
`

// TestLiveProfiles: on three levels each device is read by a profile of one's
// own by whichever ILM has it, every row of every column; when the file is
// changed and all are told, in any order, they are read by the new one.
func TestLiveProfiles(t *testing.T) {
	t.Parallel()
	const rows, devices, grow = 23, 4, 1000
	file := filepath.Join(t.TempDir(), "ports.yaml")
	writeFile(t, file, ports)
	tr := plant(t, 7, time.Second, "profiles.files=["+file+"]", "tlm:ilms.levels=1", "tlm:ilms.below=2", "tlm:ilms.min=2", "temperature.expression=1")
	all := tr.everybody(nil)
	at := tr.base
	for range len(tr.members) {
		at = at.Next()
	}
	inventory := "\nnodes:\n"
	for i := range devices {
		name := fmt.Sprintf("switch-%d", i)
		playSwitch(t, netip.AddrPortFrom(at, agentPort), rows, grow)
		inventory += fmt.Sprintf("  - {name: %s, address: \"%v:%d\", kind: device, profile: ports}\n", name, at, agentPort)
		all = append(all, name)
		at = at.Next()
	}
	tr.configure("tlm", replacing(t, "\nnodes: []\n", inventory))
	tr.start()
	eventually(t, levelsPatience, "three levels form", tr.deep(2, all...))
	eventually(t, patience, "every row is read", tr.reads(t, file, devices, rows, grow))

	writeFile(t, file, strings.Replace(ports, "unit: octets/s", "unit: B/s", 1))
	// Who is told before the manager above refuses its profile until that is told, too.
	tr.expect(`is not the same here`)
	for _, m := range tr.sorted() {
		m.signal(t, syscall.SIGHUP)
	}
	eventually(t, levelsPatience, "every row is read by the new profile", tr.reads(t, file, devices, rows, grow))
}

// playSwitch answers as a device with so many ports.
func playSwitch(t *testing.T, at netip.AddrPort, ports int, grow uint64) {
	t.Helper()
	text := fmt.Sprintf("1.3.6.1.2.1.1.3.0|67|100000\n1.3.6.1.2.1.2.1.0|2|%d\n", ports)
	for i := range ports {
		text += fmt.Sprintf("1.3.6.1.2.1.31.1.1.1.6.%d|70|%d\n1.3.6.1.2.1.2.2.1.8.%d|2|%d\n", i+1, 1<<40, i+1, 1+i%2)
	}
	r, err := played.Read("switch", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := played.New(played.Config{Listen: at, Devices: []played.Device{{Recording: r}}, Grow: grow})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// reads reports what is wrong with the cells of simoneMetricTable, where each
// device is polled, by the profile in a file.
func (tr *tree) reads(t *testing.T, file string, devices, rows int, grow float64) func() string {
	t.Helper()
	held, _, err := config.ReadProfiles([]string{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := held.Profile("ports")
	numbers := make(map[string]uint32)
	for _, m := range p.Metrics() {
		numbers[m.Name] = m.Number
	}
	return func() string {
		names, err := tr.names()
		if err != nil {
			return err.Error()
		}
		lists, err := tr.lists()
		if err != nil {
			return err.Error()
		}
		for i := range devices {
			name := fmt.Sprintf("switch-%d", i)
			id := names[name].id
			owner := ""
			for manager, list := range lists {
				if _, has := list[id]; has && manager != tr.top {
					owner = manager
				}
			}
			if owner == "" {
				return name + " is polled by no ILM"
			}
			cell := func(metric string, instance uint32) (float64, error) {
				v, err := tr.client.get(tr.members[owner].address, mib.SimoneMetricValue.Append(uint32(id), numbers[metric], instance))
				if err != nil {
					return 0, err
				}
				return mib.ParseDecimal(v[0])
			}
			if n, err := cell("ports", 0); err != nil || n != float64(rows) {
				return fmt.Sprintf("%s at %s: %v ports: %v", name, owner, n, err)
			}
			for row := range uint32(rows) {
				if v, err := cell("oper", row+1); err != nil || v != float64(1+row%2) {
					return fmt.Sprintf("%s at %s: oper.%d is %v: %v", name, owner, row+1, v, err)
				}
				if v, err := cell("in", row+1); err != nil || v < grow/2 || v > 2*grow {
					return fmt.Sprintf("%s at %s: in.%d is %v: %v", name, owner, row+1, v, err)
				}
			}
		}
		return ""
	}
}
