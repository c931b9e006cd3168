package config

import (
	"io/fs"
	"net/netip"
	"time"
)

// Demo is the configuration of simonectl demo: a TLM, candidates and leaves
// in one process on loopback addresses. It is read once, at the start.
type Demo struct {
	// Nodes is the number of leaves, 1 to 2000.
	Nodes int `yaml:"nodes"`
	// ILMs is the number of candidates, 1 to 100; Start how many of them are
	// ILMs from the start; Min how many the tree keeps at least.
	ILMs  int `yaml:"ilms"`
	Start int `yaml:"start"`
	Min   int `yaml:"min"`

	// For is how long it runs; 0s until it is interrupted.
	For Duration `yaml:"for"`

	// Poll and Trigger are those of the TLM's configuration, 100ms to 1m.
	Poll    Duration `yaml:"poll"`
	Trigger Duration `yaml:"trigger"`

	// Probe is how silent children are found.
	Probe Probe `yaml:"probe"`

	Thresholds  Thresholds  `yaml:"thresholds"`
	Temperature Temperature `yaml:"temperature"`

	// Slow makes one ILM's result worker slow for a while, so that it gets
	// hot and splits; it is shown as injected.
	Slow Slow `yaml:"slow"`

	// Kill ends another ILM outright, so that its nodes must be taken over.
	Kill Kill `yaml:"kill"`

	// Base is the first address, in 127.0.0.0/8: the TLM's. Candidates and
	// leaves get those after it.
	Base string `yaml:"base"`
	// Port is the UDP port of all of them, 1 to 65535.
	Port int `yaml:"port"`
}

// Slow is an injected delay.
type Slow struct {
	After Duration `yaml:"after"` // from the start; 0s: never
	For   Duration `yaml:"for"`   // how long it lasts; 0s: to the end
	By    Duration `yaml:"by"`    // added to each result, 1ms to 10s
}

// Kill is an injected failure.
type Kill struct {
	After Duration `yaml:"after"` // from the start; 0s: never
}

// DefaultDemo is 1 + 4 + 40 nodes, with a split and a failover within 25 s.
func DefaultDemo() *Demo {
	return &Demo{
		Nodes:       40,
		ILMs:        4,
		Start:       2,
		Min:         2,
		Poll:        Duration(time.Second),
		Trigger:     Duration(time.Second),
		Probe:       Probe{Interval: Duration(500 * time.Millisecond), Misses: 3},
		Thresholds:  DefaultThresholds(),
		Temperature: defaultTemperature(),
		Slow:        Slow{After: Duration(6 * time.Second), For: Duration(5 * time.Second), By: Duration(25 * time.Millisecond)},
		Kill:        Kill{After: Duration(14 * time.Second)},
		Base:        "127.16.0.1",
		Port:        1161,
	}
}

// Addresses gives the address of the TLM, and those of the candidates and
// leaves in order. The configuration must be valid.
func (d *Demo) Addresses() (tlm netip.AddrPort, nodes []netip.AddrPort) {
	ip := netip.MustParseAddr(d.Base)
	tlm = netip.AddrPortFrom(ip, uint16(d.Port))
	for range d.ILMs + d.Nodes {
		ip = ip.Next()
		nodes = append(nodes, netip.AddrPortFrom(ip, uint16(d.Port)))
	}
	return tlm, nodes
}

func (d *Demo) finish(string, fs.FileMode) Problems { return nil }

// Validate says all that is wrong, as Problems.
func (d *Demo) Validate() error { return d.problems().err() }

func (d *Demo) problems() (ps Problems) {
	checkInt(&ps, "nodes", d.Nodes, 1, 2000)
	checkInt(&ps, "ilms", d.ILMs, 1, 100)
	if d.ILMs >= 1 {
		checkInt(&ps, "min", d.Min, 1, d.ILMs)
		checkInt(&ps, "start", d.Start, max(d.Min, 1), d.ILMs)
	}
	if d.For != 0 {
		checkDuration(&ps, "for", d.For, time.Second, 24*time.Hour)
	}
	checkDuration(&ps, "poll", d.Poll, 100*time.Millisecond, time.Minute)
	checkDuration(&ps, "trigger", d.Trigger, 100*time.Millisecond, time.Minute)
	checkDuration(&ps, "probe.interval", d.Probe.Interval, 10*time.Millisecond, time.Minute)
	checkInt(&ps, "probe.misses", d.Probe.Misses, 1, 100)
	ps.under("thresholds", d.Thresholds.problems())
	ps.under("temperature", d.Temperature.problems())
	checkDuration(&ps, "slow.after", d.Slow.After, 0, 24*time.Hour)
	checkDuration(&ps, "slow.for", d.Slow.For, 0, 24*time.Hour)
	checkDuration(&ps, "slow.by", d.Slow.By, time.Millisecond, 10*time.Second)
	checkDuration(&ps, "kill.after", d.Kill.After, 0, 24*time.Hour)
	if d.Kill.After > 0 && d.ILMs < 2 {
		ps.add("kill.after", "with one candidate nobody is left to take over; write ilms: 2 or more, or 0s to kill none")
	}
	checkInt(&ps, "port", d.Port, 1, 65535)
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	switch ip, err := netip.ParseAddr(d.Base); {
	case err != nil || !loopback.Contains(ip):
		ps.add("base", "%q is not an address in 127.0.0.0/8, and the demo stays on this machine; write for example 127.16.0.1", d.Base)
	case !loopback.Contains(last(ip, d.ILMs+d.Nodes+1)):
		ps.add("base", "from %s on there is no room for %d addresses in 127.0.0.0/8; write a lower one, for example 127.16.0.1", d.Base, d.ILMs+d.Nodes+1)
	}
	return ps
}

// last is the address n after ip; the one behind the last must exist too, as
// 127.255.255.255 is for broadcast.
func last(ip netip.Addr, n int) netip.Addr {
	b := ip.As4()
	v := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	v += uint64(max(n, 0))
	if v > 1<<32-1 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}
