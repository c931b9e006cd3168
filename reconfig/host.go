package reconfig

import (
	"math"
	"time"

	"simone/mib"
)

// This file keeps what machines have to do beside SIMONE's work, as their
// samples tell: it decides which become ILMs. It is volatile: a manager that
// restarts knows it again after one poll.

// host is what is known of a node's machine.
type host struct {
	HostLoad
	idle int // reports in a row that told of no load
	at   Instant
	rtt  time.Duration
}

// noLoad is up to which load a machine counts as idle.
const noLoad = 0.02

// hostMetrics are the metrics of samples that tell it: load, speed.
func hostMetrics() []uint32 {
	return []uint32{mib.MetricNumber(mib.ProfileSimone, mib.MetricLoad), mib.MetricNumber(mib.ProfileSimone, mib.MetricSpeed)}
}

// learnHost takes what a sample tells of its node's machine. Samples of an
// earlier owner can be read after newer ones, and tell nothing then.
func (e *Engine) learnHost(r *mib.Record) {
	at := e.now.Add(-r.Age)
	h := e.hosts[r.Node]
	if h != nil && at < h.at {
		return
	}
	var values [2]float64
	rtt, found := mib.PeekSample(r.Payload, e.hostMetrics, values[:])
	if !found[0] {
		return
	}
	if h == nil {
		h = &host{}
		e.hosts[r.Node] = h
	}
	h.Known, h.Load, h.at = true, max(values[0], 0), at
	if found[1] {
		h.Speed = max(values[1], 0) / 100
	}
	if h.idle++; h.Load > noLoad {
		h.idle = 0
	}
	if h.rtt == 0 {
		h.rtt = rtt
	}
	h.rtt += (rtt - h.rtt) / 8
}

// hostLoad is what is known of a machine now. What was told long ago says
// nothing.
func (e *Engine) hostLoad(id mib.NodeID, every time.Duration) (HostView, bool) {
	if every == 0 {
		every = e.settings.Interval
	}
	h := e.hosts[id]
	if h == nil || e.now.Sub(h.at) > staleAfter*every {
		return HostView{}, false
	}
	return HostView{ID: id, HostLoad: h.HostLoad, Idle: h.idle, RTT: h.rtt}, true
}

// staleAfter is for how many intervals what a machine told of itself holds.
const staleAfter = 4

// intensity is how much slower than on an idle machine of speed 1 a poll's
// work is. Machines whose speed is not known are taken for such.
func (l HostLoad) intensity() float64 {
	speed := l.Speed
	if speed <= 0 || math.IsInf(speed, 0) || math.IsNaN(speed) {
		speed = 1
	}
	return (1 + l.Load) / speed
}
