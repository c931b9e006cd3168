package profile

import (
	"cmp"
	"strings"
	"time"

	"simone/mib"
)

// The names of the built-in profiles that mib does not have already.
const (
	Host       = "host"       // HOST-RESOURCES-MIB and UCD-SNMP-MIB
	Interfaces = "interfaces" // IF-MIB with 64-bit counters
	// AutoName is what stands for whatever suits the device's sysObjectID.
	AutoName = "auto"
)

// Instances of SNMPv2-MIB. SysObjectID is what auto chooses by.
var (
	sysUpTime   = mib.OID{1, 3, 6, 1, 2, 1, 1, 3, 0}
	SysObjectID = mib.OID{1, 3, 6, 1, 2, 1, 1, 2, 0}
)

// BuiltIn gives the profiles that every node holds.
func BuiltIn() []*Profile {
	var all []*Profile
	for _, p := range mib.Profiles() {
		old := &Profile{Name: p.Name, fixed: true, numbers: make(map[string]uint32)}
		for _, m := range p.Metrics {
			old.Objects = append(old.Objects, Object{Name: m.Name, OID: m.OID, Kind: Value, Unit: m.Unit, Scale: m.Scale, Help: m.Help})
			old.numbers[m.Name] = m.Number
		}
		all = append(all, old)
	}
	return append(all, host(), interfaces())
}

// line is an object of a built-in profile in short.
type line struct {
	name  string
	oid   string
	kind  Kind
	unit  string
	scale float64
	help  string
}

func objects(column bool, every time.Duration, under string, lines []line) []Object {
	var all []Object
	for _, l := range lines {
		all = append(all, Object{
			Name: l.name, OID: mib.MustOID(under + "." + l.oid), Column: column, Kind: cmp.Or(l.kind, Value), Unit: l.unit, Scale: l.scale, Help: l.help, Interval: every,
		})
	}
	return all
}

// slow is how often what hardly changes is read.
const slow = 5 * time.Minute

func interfaces() *Profile {
	const ifEntry, ifXEntry = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
	p := &Profile{Name: Interfaces}
	p.Objects = append(p.Objects, objects(true, 0, ifXEntry, []line{
		{"ifHCInOctets", "6", Rate, "octets/s", 0, "Octets received, with framing."},
		{"ifHCInUcastPkts", "7", Rate, "packets/s", 0, "Unicast packets received."},
		{"ifHCInMulticastPkts", "8", Rate, "packets/s", 0, "Multicast packets received."},
		{"ifHCInBroadcastPkts", "9", Rate, "packets/s", 0, "Broadcast packets received."},
		{"ifHCOutOctets", "10", Rate, "octets/s", 0, "Octets sent, with framing."},
		{"ifHCOutUcastPkts", "11", Rate, "packets/s", 0, "Unicast packets sent."},
		{"ifHCOutMulticastPkts", "12", Rate, "packets/s", 0, "Multicast packets sent."},
		{"ifHCOutBroadcastPkts", "13", Rate, "packets/s", 0, "Broadcast packets sent."},
	})...)
	p.Objects = append(p.Objects, objects(true, 0, ifEntry, []line{
		{"ifOperStatus", "8", 0, "", 0, "1 up, 2 down, 3 testing, 4 unknown, 5 dormant, 6 notPresent, 7 lowerLayerDown."},
		{"ifInDiscards", "13", Rate, "packets/s", 0, "Packets received and discarded though nothing was wrong with them."},
		{"ifInErrors", "14", Rate, "packets/s", 0, "Packets received with errors."},
		{"ifOutDiscards", "19", Rate, "packets/s", 0, "Packets not sent and discarded though nothing was wrong with them."},
		{"ifOutErrors", "20", Rate, "packets/s", 0, "Packets not sent because of errors."},
	})...)
	for i := range p.Objects {
		if p.Objects[i].Kind == Rate {
			p.Objects[i].Discontinuity = mib.MustOID(ifXEntry + ".19") // ifCounterDiscontinuityTime
		}
	}
	p.Objects = append(p.Objects, objects(true, slow, ifEntry, []line{
		{"ifAdminStatus", "7", 0, "", 0, "1 up, 2 down, 3 testing: what is wanted."},
	})...)
	p.Objects = append(p.Objects, objects(true, slow, ifXEntry, []line{
		{"ifHighSpeed", "15", 0, "bit/s", 1e6, "Bandwidth."},
	})...)
	return p
}

func host() *Profile {
	const hr, ucd = "1.3.6.1.2.1.25", "1.3.6.1.4.1.2021"
	p := &Profile{Name: Host}
	p.Objects = append(p.Objects, objects(false, 0, hr, []line{
		{"hrSystemUptime", "1.1.0", 0, "seconds", 0.01, "Since the machine started."},
		{"hrSystemNumUsers", "1.5.0", 0, "sessions", 0, "User sessions."},
		{"hrSystemProcesses", "1.6.0", 0, "processes", 0, "Processes."},
	})...)
	p.Objects = append(p.Objects, objects(true, 0, hr, []line{
		{"hrProcessorLoad", "3.3.1.2", 0, "percent", 0, "Time not idle of a processor, over the last minute."},
		{"hrStorageUsed", "2.3.1.6", 0, "units", 0, "Used of a storage, in units of hrStorageAllocationUnits."},
	})...)
	p.Objects = append(p.Objects, objects(true, slow, hr, []line{
		{"hrStorageSize", "2.3.1.5", 0, "units", 0, "Size of a storage, in units of hrStorageAllocationUnits."},
		{"hrStorageAllocationUnits", "2.3.1.4", 0, "octets", 0, "Octets of a unit of a storage."},
	})...)
	p.Objects = append(p.Objects, objects(false, 0, ucd, []line{
		{"memTotalSwap", "4.3.0", 0, "octets", 1024, "Swap space."},
		{"memAvailSwap", "4.4.0", 0, "octets", 1024, "Swap space that is free."},
		{"memTotalReal", "4.5.0", 0, "octets", 1024, "Memory."},
		{"memAvailReal", "4.6.0", 0, "octets", 1024, "Memory that nothing uses."},
		{"memBuffer", "4.14.0", 0, "octets", 1024, "Memory used for buffers."},
		{"memCached", "4.15.0", 0, "octets", 1024, "Memory used as cache."},
		{"ssCpuRawUser", "11.50.0", Rate, "ticks/s", 0, "CPU time of processes, of all CPUs together."},
		{"ssCpuRawNice", "11.51.0", Rate, "ticks/s", 0, "CPU time of processes of low priority."},
		{"ssCpuRawSystem", "11.52.0", Rate, "ticks/s", 0, "CPU time of the kernel."},
		{"ssCpuRawIdle", "11.53.0", Rate, "ticks/s", 0, "CPU time that nothing used."},
		{"ssCpuRawWait", "11.54.0", Rate, "ticks/s", 0, "CPU time of waiting for devices."},
		{"ssIORawSent", "11.57.0", Rate, "blocks/s", 0, "Blocks written to devices."},
		{"ssIORawReceived", "11.58.0", Rate, "blocks/s", 0, "Blocks read from devices."},
		{"ssRawInterrupts", "11.59.0", Rate, "interrupts/s", 0, "Interrupts."},
		{"ssRawContexts", "11.60.0", Rate, "switches/s", 0, "Context switches."},
	})...)
	// Instances 1 to 3 of laLoadInt are the averages of 1, 5 and 15 minutes.
	p.Objects = append(p.Objects, objects(false, 0, ucd, []line{
		{"load1", "10.1.5.1", 0, "processes", 0.01, "Load average of one minute."},
		{"load5", "10.1.5.2", 0, "processes", 0.01, "Load average of five minutes."},
		{"load15", "10.1.5.3", 0, "processes", 0.01, "Load average of fifteen minutes."},
	})...)
	return p
}

// Choice is one line of the table by which auto chooses: devices whose
// sysObjectID begins with Prefix are read with the profiles. The first line
// that fits counts.
type Choice struct {
	Prefix   mib.OID
	Profiles string // names with commas between
}

// Choices is the table that is used unless lines before it fit.
func Choices() []Choice {
	const plain, network, machine = mib.ProfileSystem, mib.ProfileSystem + "," + Interfaces, mib.ProfileSystem + "," + Host + "," + Interfaces
	var table []Choice
	add := func(profiles, prefixes string) {
		for prefix := range strings.FieldsSeq(prefixes) {
			table = append(table, Choice{mib.MustOID(prefix), profiles})
		}
	}
	add(mib.ProfileSimone+","+plain, mib.SimoneMIB.String())
	// net-snmp, the older ucd-snmp, Windows.
	add(machine, "1.3.6.1.4.1.8072.3.2 1.3.6.1.4.1.2021.250 1.3.6.1.4.1.311.1.1.3")
	// APC, Eaton, Hewlett-Packard's printers: interfaces tell nothing there.
	add(plain, "1.3.6.1.4.1.318 1.3.6.1.4.1.534 1.3.6.1.4.1.11.2.3.9")
	// Whoever else has registered an enterprise's number.
	add(network, "1.3.6.1.4.1")
	return append(table, Choice{nil, plain})
}
