// Package usm is the cryptography of SNMPv3's user-based security model: keys
// from passphrases (RFC 3414, appendix A.2), HMACs with MD5, SHA-1 (RFC 3414,
// sections 6 and 7) and SHA-2 (RFC 7860), encryption with DES (RFC 3414,
// section 8) and AES (RFC 3826). It knows nothing of messages; package snmp
// does.
//
// For AES-192 and AES-256 no RFC says how a hash that is too short becomes a
// key. AES192 and AES256 extend it as draft-blumenthal-aes-usm-04 does, which
// is what net-snmp calls AES-192 and AES-256; AES192C and AES256C as
// draft-reeder-snmpv3-usm-3desede-00 does, which is what Cisco's devices do
// and net-snmp calls AES-192-C and AES-256-C. With SHA-256 or longer the two
// are the same.
package usm
