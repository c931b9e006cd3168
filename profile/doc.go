// Package profile says what is to be read of a node: scalars and columns of
// tables, how often, and what number is made of each (a value as the agent
// gives it, or the rate of a counter).
//
// A Profile is what people write, in files of their own or as modules of
// snmp.yml, or one that is built in. A Set is all that a node holds, and finds
// profiles by what the rows of support lists name. A Plan is what the profiles
// of one row come to: each object once, whoever wants it. A Past is what is kept
// of one node between its polls, so that counters become rates.
//
// The package neither sends anything nor knows the time.
package profile
