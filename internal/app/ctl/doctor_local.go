package ctl

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"simone/internal/snmp"
	"simone/mib"
)

// localChecks checks this machine, for a simoned or simone-tlm that runs here
// and for the net-snmp tools.
func (o *options) localChecks() []Check {
	var checks []Check
	for _, check := range []func() (Check, bool){o.namedWalks, o.receiveBuffer, o.receiveErrors} {
		if k, ok := check(); ok {
			checks = append(checks, k)
		}
	}
	return checks
}

// namedWalks checks that net-snmp's tools know SIMONE-MIB by name.
func (o *options) namedWalks() (Check, bool) {
	k := Check{Name: "walks by name", Status: OK, Detail: "net-snmp's tools find " + mib.Module + " and what it imports"}
	missing := o.missing(o.mibDirs(), append(baseModules(), mib.Module))
	if len(missing) > 0 {
		k.Status = Warn
		k.Detail = "not in net-snmp's directories: " + strings.Join(missing, ", ") + "; walks by number work"
		k.Remedy = "simonectl mib install writes " + mib.Module + "; " + installBase
	}
	return k, true
}

// receiveBuffer checks that the kernel grants the buffers that SIMONE asks
// for: a manager with thousands of nodes gets answers in bursts.
func (o *options) receiveBuffer() (Check, bool) {
	data, err := os.ReadFile(filepath.Join(o.root, "/proc/sys/net/core/rmem_max"))
	if err != nil {
		return Check{}, false // another system
	}
	granted, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return Check{}, false
	}
	k := Check{Name: "UDP buffer", Status: OK, Detail: fmt.Sprintf("this machine grants %d KiB", granted>>10)}
	if granted < snmp.ReceiveBuffer {
		k.Status = Warn
		k.Detail += fmt.Sprintf(", and managers ask for %d", snmp.ReceiveBuffer>>10)
		k.Remedy = fmt.Sprintf("sysctl -w net.core.rmem_max=%d, if a manager runs here", snmp.ReceiveBuffer)
	}
	return k, true
}

// receiveErrors checks whether datagrams were lost for want of buffers.
func (o *options) receiveErrors() (Check, bool) {
	data, err := os.ReadFile(filepath.Join(o.root, "/proc/net/snmp"))
	if err != nil {
		return Check{}, false
	}
	lost, ok := udpCounter(string(data), "RcvbufErrors")
	if !ok {
		return Check{}, false
	}
	k := Check{Name: "UDP losses", Status: OK, Detail: "no datagram was dropped on this machine for want of buffer"}
	if lost > 0 {
		k.Status = Warn
		k.Detail = fmt.Sprintf("%d datagrams were dropped on this machine for want of buffer since it started", lost)
		k.Remedy = "if the number grows (nstat -az UdpRcvbufErrors), raise net.core.rmem_max or give the manager fewer nodes"
	}
	return k, true
}

// udpCounter finds a counter in the format of /proc/net/snmp: a line of names
// and a line of values.
func udpCounter(text, name string) (uint64, bool) {
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i := range min(len(names), len(fields)) {
			if names[i] == name {
				n, err := strconv.ParseUint(fields[i], 10, 64)
				return n, err == nil
			}
		}
	}
	return 0, false
}
