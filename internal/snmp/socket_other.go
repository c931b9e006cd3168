//go:build !linux

package snmp

import "net/netip"

// Elsewhere there are no control messages: arrivals are stamped when they are
// read, and answers leave by the address the system picks.

const msgTruncated = 0

func (s *Socket) setOptions() error { return nil }

func parseControl([]byte) (d Datagram) { return d }

func appendLocal(b []byte, _ netip.Addr, _ bool) []byte { return b }
