package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// SNMPPort is where SNMP agents listen by RFC 3430.
const SNMPPort = 161

// checkListen holds an address to listen at: numbers only, as a name may move
// after it was looked up; port 0 lets the system choose one.
func checkListen(s string) error {
	if _, err := netip.ParseAddrPort(s); err == nil {
		return nil
	}
	host, port, err := splitPort(s)
	if err != nil {
		return err
	}
	if host == "" {
		return fmt.Errorf("%q has no IP address before the port; write 127.0.0.1:%s, or 0.0.0.0:%s for all of this machine's", s, port, port)
	}
	return fmt.Errorf("%q does not begin with an IP address; write for example 127.0.0.1:%s", s, port)
}

// checkPeer holds an address that others are asked at: an IP address or a
// name, and a port.
func checkPeer(s string) error {
	host, port, err := splitPort(s)
	if err != nil {
		return err
	}
	if port == "0" {
		return fmt.Errorf("%q has port 0, where nobody answers; write the real one, for example %s", s, net.JoinHostPort(host, "1161"))
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsUnspecified() {
			return fmt.Errorf("%q stands for all addresses of a machine and is none to send to; write one of them", s)
		}
		return nil
	}
	if host == "" {
		return fmt.Errorf("%q has no host before the port; write for example 192.0.2.1:%s", s, port)
	}
	if strings.Trim(host, "0123456789.") == "" {
		return fmt.Errorf("%q has no IP address in it: it has four numbers from 0 to 255, as 192.0.2.1", s)
	}
	return checkHostName(host)
}

func splitPort(s string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(s)
	if err != nil {
		var at *net.AddrError
		switch {
		case s == "":
			return "", "", errors.New("there is no address; write for example 127.0.0.1:1161")
		case errors.As(err, &at) && strings.HasPrefix(at.Err, "missing port"):
			return "", "", fmt.Errorf("%q has no port; write for example %s", s, net.JoinHostPort(strings.Trim(s, "[]"), "1161"))
		case strings.Count(s, ":") > 1:
			return "", "", fmt.Errorf("%q: an IPv6 address goes in brackets before its port: [2001:db8::1]:1161", s)
		}
		return "", "", fmt.Errorf("%q is no address; write host:port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return "", "", fmt.Errorf("%q: port %q is not a number from 1 to 65535", s, port)
	}
	return host, port, nil
}

// Lookup gives the IP address and port of a host:port, whose name it looks up
// if it has one. Of several addresses it takes the first that the system
// gives, IPv4 before IPv6.
func Lookup(ctx context.Context, address string) (netip.AddrPort, error) {
	if at, err := netip.ParseAddrPort(address); err == nil {
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
	}
	if err := checkPeer(address); err != nil {
		return netip.AddrPort{}, err
	}
	host, port, err := splitPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q: port: %w", address, err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("look up %s: %w", address, err)
	}
	slices.SortStableFunc(ips, func(a, b netip.Addr) int { return a.Unmap().BitLen() - b.Unmap().BitLen() })
	if len(ips) == 0 {
		return netip.AddrPort{}, fmt.Errorf("look up %s: it has no address", address)
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(n)), nil
}

// checkHostName holds a name against RFC 1123, section 2.1.
func checkHostName(s string) error {
	bad := func(reason string) error {
		return fmt.Errorf("host %q %s; names have letters, digits, hyphens and dots", s, reason)
	}
	if len(s) > 253 {
		return bad("has more than 253 characters")
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		switch {
		case label == "":
			return bad("has an empty part")
		case len(label) > 63:
			return bad("has a part of more than 63 characters")
		case label[0] == '-' || label[len(label)-1] == '-':
			return bad("has a hyphen at the edge of a part")
		}
		for _, c := range []byte(label) {
			if !alphanumeric(c) && c != '-' && c != '_' {
				return bad(fmt.Sprintf("has a %q", c))
			}
		}
	}
	return nil
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// maxWord is the most octets of a name, zone, profile or credential, so that
// four of them and an address fit a packed row beside many others.
const maxWord = 64

// checkWord holds the name of a node, zone, profile or credential, all of
// which occur in file names, tables and SETs.
func checkWord(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty; write a name of letters and digits, with - _ or . between")
	case len(s) > maxWord:
		return fmt.Errorf("%q has %d characters; at most %d are allowed", s, len(s), maxWord)
	case !alphanumeric(s[0]):
		return fmt.Errorf("%q does not begin with a letter or digit", s)
	}
	for _, c := range s {
		if c > 0x7f || !alphanumeric(byte(c)) && !strings.ContainsRune("-_.", c) {
			return fmt.Errorf("%q has a %q; only letters, digits, - _ and . are allowed", s, c)
		}
	}
	return nil
}
