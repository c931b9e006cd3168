// Package snmpdconf writes and checks the part of net-snmp's snmpd.conf(5) that
// SIMONE needs: the AgentX socket, the views of SIMONE-MIB (VACM, RFC 3415) and
// who has them, and in snmpd's persistent file the users' passphrases.
//
// What it writes is one block between marker comments. Put, Cut and the checks
// work on the text of a file; who calls them reads and writes it.
package snmpdconf
