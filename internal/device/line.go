package device

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"simone/mib"
)

// parseLine reads OID|TAG|VALUE. TAG is the number of an ASN.1 type, x behind
// it says that VALUE is in hexadecimal, and :NAME that it is varied by a module
// of snmpsim, whose options VALUE then has.
func parseLine(line []byte) (v mib.Variable, err error) {
	name, rest, ok := bytes.Cut(line, []byte("|"))
	if !ok {
		return v, errors.New("there is no | in it")
	}
	tag, value, ok := bytes.Cut(rest, []byte("|"))
	if !ok {
		return v, errors.New("there is only one | in it")
	}
	if v.Name, err = mib.ParseOID(string(name)); err != nil {
		return v, err
	}
	if err := carried(v.Name); err != nil {
		return v, err
	}
	plain, variation, varied := strings.Cut(string(tag), ":")
	plain, isHex := strings.CutSuffix(plain, "x")
	kind, err := parseTag(plain)
	if err != nil {
		return v, err
	}
	if varied {
		if value, err = initial(variation, kind, value); err != nil {
			return v, err
		}
	}
	if isHex {
		packed := make([]byte, hex.DecodedLen(len(value)))
		if _, err := hex.Decode(packed, value); err != nil {
			return v, fmt.Errorf("the value is not hexadecimal: %w", err)
		}
		value = packed
	}
	v.Value, err = parseValue(kind, value, isHex)
	return v, err
}

// parseTag reads the decimal number of a type.
func parseTag(s string) (mib.Type, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("tag %q is no number of a type", s)
	}
	switch t := mib.Type(n); t {
	case mib.TypeInteger, mib.TypeOctetString, mib.TypeNull, mib.TypeObjectID, mib.TypeIPAddress, mib.TypeCounter32,
		mib.TypeGauge32, mib.TypeTimeTicks, mib.TypeOpaque, mib.TypeCounter64:
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
		return v, fmt.Errorf("%q is no %v: %w", s, kind, errors.Unwrap(err))
	}
	return v, nil
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
// It stays, as nothing is varied here.
func initial(variation string, kind mib.Type, options []byte) ([]byte, error) {
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
			return nil, fmt.Errorf("variation %s: option %q is not KEY=VALUE", variation, option)
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
				return nil, fmt.Errorf("variation %s: hexvalue=%s is not hexadecimal", variation, value)
			}
			return octets, nil
		}
		return []byte(value), nil
	}
	switch kind {
	case mib.TypeInteger, mib.TypeCounter32, mib.TypeGauge32, mib.TypeTimeTicks, mib.TypeCounter64:
		return []byte("0"), nil
	}
	return nil, nil
}
