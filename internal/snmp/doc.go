// Package snmp is the project's SNMP over UDP: a strict BER codec for v1, v2c
// and v3 messages, a Poller that asks many agents through one socket, often and
// without doing them harm, a Notifier and a Listener for traps and informs, and
// the Engine that makes an agent authoritative for SNMPv3. Message is a community-based message or a
// PDU; an Envelope is what v3 puts around a PDU (RFC 3412, 3414). The
// cryptography is package usm's.
//
// Nothing that comes from a socket can make this package panic, allocate in
// proportion to a length it claims, or change anything but a counter.
package snmp
