// Package responder is the front end of an agent on a machine where no snmpd
// runs: it answers SNMPv1, v2c and v3 requests over UDP out of a mib.Tree, and
// passes on the traps and informs that come to the same port. Communities and
// users carry views and may be tied to sources (RFC 1157, 3412 to 3416, 3584).
package responder
