package agent

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// source is one file of /proc or its like, and the metrics that come of it.
// A source that fails sets no metric, and fails alone.
type source struct {
	name string
	read func(*reading) error
}

// last holds the counters of the measurement before, which rates need. A time
// is zero when there is none.
type last struct {
	cpuAt   time.Time
	cpu     procfs.CPUStat
	diskAt  time.Time
	disks   map[string]traffic
	netAt   time.Time
	nets    map[string]traffic
	ownAt   time.Time
	ownTime time.Duration
	group   groupLimits
}

// traffic is what went in and out of a device since it came up, in octets.
type traffic struct{ in, out uint64 }

func (c *Collector) allSources() []source {
	return []source{
		{"load", c.readLoad},
		{"cpu", c.readCPU},
		{"memory", c.readMemory},
		{"disk traffic", c.readDiskTraffic},
		{"disk space", c.readDiskSpace},
		{"network", c.readNetwork},
		{"simone cpu", c.readOwnCPU},
		{"simone memory", c.readOwnMemory},
		{"contention", c.readContention},
	}
}

func (c *Collector) readLoad(r *reading) error {
	l, err := c.proc.LoadAvg()
	if err != nil {
		return err
	}
	r.set("load1", l.Load1)
	r.set("load5", l.Load5)
	r.set("load15", l.Load15)
	return nil
}

// readCPU gives the share of all CPUs that was not idle, the run queue and
// the uptime.
func (c *Collector) readCPU(r *reading) error {
	s, err := c.proc.Stat()
	if err != nil {
		c.last.cpuAt = time.Time{}
		return err
	}
	if c.cpus == 0 {
		c.cpus = len(s.CPU)
	}
	// The thread that reads this runs too, and is not what is asked for.
	r.set("runqueue", float64(max(s.ProcessesRunning, 1)-1))
	if s.BootTime > 0 {
		r.set("uptime", max(r.now.Sub(time.Unix(int64(s.BootTime), 0)).Seconds(), 0))
	}
	before, now := c.last.cpu, s.CPUTotal
	// Guest time is part of user and nice time. Steal is busy: it was asked
	// for and not to be had.
	busy := now.User - before.User + now.Nice - before.Nice + now.System - before.System +
		now.IRQ - before.IRQ + now.SoftIRQ - before.SoftIRQ + now.Steal - before.Steal
	total := busy + now.Idle - before.Idle + now.Iowait - before.Iowait
	if !c.last.cpuAt.IsZero() && total > 0 {
		r.set("cpu", min(max(100*busy/total, 0), 100))
	}
	c.last.cpuAt, c.last.cpu = r.now, now
	return nil
}

func (c *Collector) readMemory(r *reading) error {
	m, err := c.proc.Meminfo()
	if err != nil {
		return err
	}
	if m.MemTotalBytes == nil || m.MemAvailableBytes == nil {
		return fmt.Errorf("MemTotal or MemAvailable: %w", errAbsent)
	}
	r.set("mem_total", float64(*m.MemTotalBytes))
	r.set("mem_available", float64(*m.MemAvailableBytes))
	if m.SwapTotalBytes != nil && m.SwapFreeBytes != nil {
		r.set("swap_used", float64(*m.SwapTotalBytes)-float64(*m.SwapFreeBytes))
	}
	return nil
}

// sector is what /proc/diskstats counts in, whatever the disk's own size.
const sector = 512

func (c *Collector) readDiskTraffic(r *reading) error {
	stats, err := c.disks.ProcDiskstats()
	if err != nil {
		c.last.diskAt = time.Time{}
		return err
	}
	disks := make(map[string]traffic)
	whole := ""
	for _, s := range stats {
		// A disk's partitions come right after it and are counted in it.
		if whole != "" && isPartition(s.DeviceName, whole) || isVirtualDisk(s.DeviceName) {
			continue
		}
		whole = s.DeviceName
		disks[s.DeviceName] = traffic{s.ReadSectors * sector, s.WriteSectors * sector}
	}
	if len(disks) == 0 {
		return errors.New("no disk is listed")
	}
	if read, written, ok := rates(c.last.disks, disks, r.now.Sub(c.last.diskAt)); ok && !c.last.diskAt.IsZero() {
		r.set("disk_read", read)
		r.set("disk_write", written)
	}
	c.last.diskAt, c.last.disks = r.now, disks
	return nil
}

// isPartition reports whether a device is a part of a disk: sda1 of sda,
// nvme0n1p1 of nvme0n1.
func isPartition(name, disk string) bool {
	rest, ok := strings.CutPrefix(name, disk)
	rest = strings.TrimPrefix(rest, "p")
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}

// isVirtualDisk reports whether what goes through a device goes through
// another one too, or is no disk.
func isVirtualDisk(name string) bool {
	return hasAnyPrefix(name, "loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// rates gives octets per second over all devices. One that is new or began
// again from zero counts from now on.
func rates(before, now map[string]traffic, elapsed time.Duration) (in, out float64, ok bool) {
	if elapsed <= 0 {
		return 0, 0, false
	}
	for name, n := range now {
		b, known := before[name]
		if !known || n.in < b.in || n.out < b.out {
			continue
		}
		in += float64(n.in - b.in)
		out += float64(n.out - b.out)
	}
	return in / elapsed.Seconds(), out / elapsed.Seconds(), true
}

func (c *Collector) readDiskSpace(r *reading) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(c.disk, &s); err != nil {
		return fmt.Errorf("statfs %s: %w", c.disk, err)
	}
	used := s.Blocks - s.Bfree
	if used+s.Bavail == 0 {
		return fmt.Errorf("statfs %s: %w", c.disk, errAbsent)
	}
	// As df has it: of what is open to users, without root's reserve.
	r.set("disk_used", 100*float64(used)/float64(used+s.Bavail))
	return nil
}

func (c *Collector) readNetwork(r *reading) error {
	devices, err := c.proc.NetDev()
	if err != nil {
		c.last.netAt = time.Time{}
		return err
	}
	nets := make(map[string]traffic)
	for name, d := range devices {
		// What passes the others passes a real interface too, or never
		// leaves the machine.
		if name == "lo" || hasAnyPrefix(name, "veth", "docker", "br-", "virbr", "ifb", "dummy") {
			continue
		}
		nets[name] = traffic{d.RxBytes, d.TxBytes}
	}
	if len(nets) == 0 {
		return errors.New("no interface but loopback is there")
	}
	if in, out, ok := rates(c.last.nets, nets, r.now.Sub(c.last.netAt)); ok && !c.last.netAt.IsZero() {
		r.set("net_in", in)
		r.set("net_out", out)
	}
	c.last.netAt, c.last.nets = r.now, nets
	return nil
}

// readOwnCPU gives the intrusion: percent of all CPUs that SIMONE uses.
func (c *Collector) readOwnCPU(r *reading) error {
	used, err := c.cpuTime()
	if err != nil {
		c.last.ownAt = time.Time{}
		return err
	}
	if c.cpus == 0 {
		return fmt.Errorf("number of CPUs: %w", errAbsent)
	}
	elapsed := r.now.Sub(c.last.ownAt)
	if !c.last.ownAt.IsZero() && elapsed > 0 && used >= c.last.ownTime {
		share := float64(used-c.last.ownTime) / float64(elapsed) / float64(c.cpus)
		r.set("simone_cpu", min(100*share, 100))
	}
	c.last.ownAt, c.last.ownTime = r.now, used
	return nil
}

func (c *Collector) readOwnMemory(r *reading) error {
	p, err := c.proc.Self()
	if err != nil {
		return err
	}
	s, err := p.Stat()
	if err != nil {
		return err
	}
	r.set("simone_rss", float64(s.ResidentMemory()))
	return nil
}
