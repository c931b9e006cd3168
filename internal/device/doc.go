// Package device plays recorded devices: it reads what a walk of a real machine
// has brought (the snmprec format of snmpsim) and answers SNMPv1, v2c and v3
// out of that, on request as badly as devices do: late, not at all, twice, with
// garbage, or with tooBig where others would answer.
//
// It is for trying out what asks, not for production: what is played does not
// change, but that counters may grow, and nothing can be written.
package device
