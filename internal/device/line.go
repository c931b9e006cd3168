package device

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"simone/internal/snmp"
	"simone/mib"
)

// parseLine reads OID|TAG|VALUE. TAG is the number of an ASN.1 type, x behind
// it says that VALUE is in hexadecimal, and :NAME that it is varied by a module
// of snmpsim, whose options VALUE then has.
func parseLine(line []byte) (v mib.Variable, err error) {
	name, rest, ok := bytes.Cut(line, []byte("|"))
	if !ok {
		return v, notRecorded(line)
	}
	tag, value, ok := bytes.Cut(rest, []byte("|"))
	if !ok {
		return v, errors.New("there is only one | in it")
	}
	if v.Name, err = mib.ParseOID(string(bytes.TrimSpace(name))); err != nil {
		return v, err
	}
	if err := carried(v.Name); err != nil {
		return v, err
	}
	plain, variation, varied := strings.Cut(strings.TrimSpace(string(tag)), ":")
	plain, isHex := strings.CutSuffix(strings.ToLower(plain), "x")
	if plain == "" && varied {
		return v, fmt.Errorf("variation %s is of a subtree, and has no value that could be given; take the line out", variation)
	}
	kind, err := parseTag(plain)
	if err != nil {
		return v, err
	}
	switch kind {
	case mib.TypeOctetString, mib.TypeOpaque, mib.TypeIPAddress:
	case mib.TypeNoSuchObject, mib.TypeNoSuchInstance, mib.TypeEndOfMIBView:
		v.Value.Type = kind
		return v, nil
	default:
		if value = bytes.TrimSpace(value); isHex {
			return v, fmt.Errorf("tag %q: only 4, 64 and 68 have values in hexadecimal", tag)
		}
	}
	if varied {
		var unpacked bool
		if value, unpacked, err = initial(variation, kind, value); err != nil {
			return v, err
		}
		isHex = isHex && !unpacked
	}
	if isHex {
		packed := make([]byte, hex.DecodedLen(len(value)))
		if _, err := hex.Decode(packed, value); err != nil {
			return v, fmt.Errorf("the value is not hexadecimal: %w", err)
		}
		value = packed
	}
	if v.Value, err = parseValue(kind, value, isHex); err != nil {
		return v, err
	}
	if n, err := snmp.VariableSize(v); err != nil || n > maxVariable {
		return v, fmt.Errorf("a value of %d octets fits no datagram, which has %d; shorten it or take the line out", len(value), snmp.MaxMessage)
	}
	return v, nil
}

// maxVariable is what a variable may take of a datagram: the rest is for what is
// around it, with SNMPv3 too.
const maxVariable = snmp.MaxMessage - 512

// notRecorded says what a line may be that is none of a recording.
func notRecorded(line []byte) error {
	switch {
	case bytes.Contains(line, []byte(" = ")):
		return errors.New("there is no | in it; it looks like what snmpwalk prints: " +
			"record the device with snmpsim-record-commands, or change the file with snmpsim-manage-records --source-record-type=snmpwalk")
	case bytes.Count(line, []byte(", ")) >= 2:
		return errors.New("there is no | in it; it looks like a sapwalk: change the file with snmpsim-manage-records --source-record-type=sapwalk")
	}
	return errors.New("there is no | in it")
}

// parseTag reads the decimal number of a type.
func parseTag(s string) (mib.Type, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("tag %q is no number of a type", s)
	}
	switch t := mib.Type(n); t {
	case mib.TypeInteger, mib.TypeOctetString, mib.TypeNull, mib.TypeObjectID, mib.TypeIPAddress, mib.TypeCounter32,
		mib.TypeGauge32, mib.TypeTimeTicks, mib.TypeOpaque, mib.TypeCounter64,
		mib.TypeNoSuchObject, mib.TypeNoSuchInstance, mib.TypeEndOfMIBView:
		return t, nil
	}
	return 0, fmt.Errorf("tag %q is no type of SNMP; there are 2, 4, 5, 6, 64, 65, 66, 67, 68 and 70", s)
}

// parseValue reads the value of a type: as it is written, or octets that were
// in hexadecimal.
func parseValue(kind mib.Type, text []byte, octets bool) (v mib.Value, err error) {
	v.Type = kind
	s := string(text)
	switch kind {
	case mib.TypeInteger:
		v.Int, err = strconv.ParseInt(s, 10, 32)
	case mib.TypeCounter32, mib.TypeGauge32, mib.TypeTimeTicks:
		v.Uint, err = strconv.ParseUint(s, 10, 32)
	case mib.TypeCounter64:
		v.Uint, err = strconv.ParseUint(s, 10, 64)
	case mib.TypeOctetString, mib.TypeOpaque:
		v.Bytes = bytes.Clone(text)
	case mib.TypeObjectID:
		if s == "" || s == "0" { // of agents that answer with an OID of no octets
			s = "0.0"
		}
		if v.OID, err = mib.ParseOID(s); err == nil {
			err = carried(v.OID)
		}
		return v, err
	case mib.TypeIPAddress:
		v.Bytes, err = parseIPAddress(text, octets)
		return v, err
	case mib.TypeNull:
		if s != "" {
			return v, fmt.Errorf("NULL has no value, and here is %q", s)
		}
	}
	if err != nil {
		return v, fmt.Errorf("%q is no %v, which is %s: %w", s, kind, ranges[kind], errors.Unwrap(err))
	}
	return v, nil
}

// ranges are what numbers can be.
var ranges = map[mib.Type]string{
	mib.TypeInteger:   "from -2147483648 to 2147483647",
	mib.TypeCounter32: "from 0 to 4294967295",
	mib.TypeGauge32:   "from 0 to 4294967295",
	mib.TypeTimeTicks: "from 0 to 4294967295",
	mib.TypeCounter64: "from 0 to 18446744073709551615",
}

// parseIPAddress reads a.b.c.d or four octets, which recordings have in
// hexadecimal and, where all four are letters and the like, as they are.
func parseIPAddress(text []byte, octets bool) ([]byte, error) {
	switch {
	case len(text) == 4:
		return bytes.Clone(text), nil
	case octets:
		return nil, fmt.Errorf("an IpAddress of %d octets, not 4", len(text))
	}
	a, err := netip.ParseAddr(string(text))
	if err != nil || !a.Is4() {
		return nil, fmt.Errorf("%q is no IpAddress; write it as 192.0.2.7", text)
	}
	return a.AsSlice(), nil
}

// carried says whether BER can carry the OID: its first two parts are packed
// into one (X.690, section 8.19.4).
func carried(o mib.OID) error {
	switch {
	case len(o) < 2:
		return fmt.Errorf("OID %v has fewer than two parts", o)
	case o[0] > 2:
		return fmt.Errorf("OID %v begins with %d; only 0, 1 and 2 can", o, o[0])
	case o[0] < 2 && o[1] > 39:
		return fmt.Errorf("OID %v: the second part is at most 39 under %d", o, o[0])
	}
	return nil
}

// initial is the value that a varied one begins with, out of the options of the
// variation: value of writecache and the like, initial or else min of numeric.
// It stays, as nothing is varied here. unpacked says that it was in hexadecimal.
func initial(variation string, kind mib.Type, options []byte) (value []byte, unpacked bool, err error) {
	given := make(map[string]string)
	last := ""
	for option := range strings.SplitSeq(string(options), ",") {
		key, value, ok := strings.Cut(option, "=")
		switch {
		case ok:
			last = strings.TrimSpace(key)
			given[last] = value
		case last != "": // a comma in the value before
			given[last] += "," + option
		case option != "":
			return nil, false, fmt.Errorf("variation %s: option %q is not KEY=VALUE", variation, option)
		}
	}
	for _, key := range []string{"value", "hexvalue", "initial", "min"} {
		value, ok := given[key]
		switch {
		case !ok:
			continue
		case key == "hexvalue":
			octets, err := hex.DecodeString(value)
			if err != nil {
				return nil, false, fmt.Errorf("variation %s: hexvalue=%s is not hexadecimal", variation, value)
			}
			return octets, true, nil
		case ranges[kind] != "" && strings.ContainsAny(value, ".eE"): // numeric counts in fractions, and cuts them off
			if f, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && math.Abs(f) < 1<<53 {
				value = strconv.FormatInt(int64(f), 10)
			}
		}
		if kind != mib.TypeOctetString && kind != mib.TypeOpaque {
			value = strings.TrimSpace(value)
		}
		return []byte(value), false, nil
	}
	if ranges[kind] != "" {
		return []byte("0"), false, nil
	}
	return nil, false, nil
}
