package pollbench

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"simone/internal/device"
	"simone/internal/snmp"
	"simone/internal/snmp/usm"
	"simone/mib"
)

// The agents of a farm: ten scalars and a table.
const (
	scalars      = 10
	tableColumns = 6
	tableRows    = 11
)

// Community is the farm's.
const Community = "public"

func scalar(i int) mib.OID { return mib.OID{1, 3, 6, 1, 4, 1, 2021, 11, uint32(50 + i), 0} }

// tableEntry is that of ifTable; its columns are from ifInOctets on.
func tableEntry() mib.OID { return mib.OID{1, 3, 6, 1, 2, 1, 2, 2, 1} }

func tableColumn(i int) mib.OID { return tableEntry().Append(uint32(10 + i)) }

// user is who may ask the farm with SNMPv3. Its passphrases guard nothing.
func user() snmp.User {
	return snmp.User{
		Name: "bench", Level: usm.AuthPriv, Auth: usm.SHA256, AuthPassphrase: "bench-auth", Priv: usm.AES128, PrivPassphrase: "bench-priv",
	}
}

// recording is what each agent of the farm answers.
func recording(rows int) (*device.Recording, error) {
	var text strings.Builder
	fmt.Fprintln(&text, "1.3.6.1.2.1.1.3.0|67|8640000") // sysUpTime
	for i := range scalars {
		fmt.Fprintf(&text, "%v|65|%d\n", scalar(i), 3_000_000_000+i)
	}
	for c := range tableColumns {
		for r := range tableRows {
			fmt.Fprintf(&text, "%v|65|%d\n", tableColumn(c).Append(uint32(r+1)), 2_000_000_000+1000*c+r)
		}
	}
	for i, column := range Columns() {
		for r := range rows {
			fmt.Fprintf(&text, "%v|65|%d\n", column.Append(uint32(r+1)), 1_000_000_000+1000*i+r)
		}
	}
	return device.Read("farm", strings.NewReader(text.String()))
}

// RunFarm is a farm: it answers at every address of the loopback, tells its
// port on out, and ends with ctx. The other table has so many rows.
func RunFarm(ctx context.Context, rows int, out io.Writer) error {
	r, err := recording(rows)
	if err != nil {
		return fmt.Errorf("farm: %w", err)
	}
	u := user()
	p, err := device.New(device.Config{
		Listen: netip.MustParseAddrPort("0.0.0.0:0"), Devices: []device.Device{{Recording: r, Community: Community}}, User: &u,
	})
	if err != nil {
		return fmt.Errorf("farm: %w", err)
	}
	fmt.Fprintln(out, p.Addr().Port())
	return p.Run(ctx)
}

// Another table, for whole managers: of interfaces six counters each.
const (
	OtherColumns = 6
	OtherRows    = 10 // unless somebody says
)

// Columns are its columns.
func Columns() []mib.OID {
	all := make([]mib.OID, OtherColumns)
	for i := range all {
		all[i] = mib.OID{1, 3, 6, 1, 2, 1, 31, 1, 1, 1, uint32(2 + i)}
	}
	return all
}

// Targets are n addresses of the farm at a port.
func Targets(n int, port uint16) []netip.AddrPort {
	all := make([]netip.AddrPort, n)
	a := netip.MustParseAddr("127.1.0.1")
	for i := range all {
		all[i] = netip.AddrPortFrom(a, port)
		a = a.Next()
	}
	return all
}
