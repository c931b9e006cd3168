// Package snmp is the project's SNMP over UDP: a strict BER codec for v1 and
// v2c messages, a Poller that asks many agents through one socket, a Notifier
// and a Listener for traps and informs. The codec dispatches on the message's
// version, so that SNMPv3 stands beside the community-based messages.
//
// Nothing that comes from a socket can make this package panic, allocate in
// proportion to a length it claims, or change anything but a counter.
package snmp
