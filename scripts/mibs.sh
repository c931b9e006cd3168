#!/bin/sh
# Brings the base MIB modules that SIMONE-MIB imports into mib/base, so that
# the net-snmp tools know its names and smilint can check it. Debian ships
# none; the npm package net-snmp has them. Only mib/base is written.
#
#   scripts/mibs.sh [host[:port]]    the address is for the command printed
set -eu

package=net-snmp@3
wanted="SNMPv2-SMI SNMPv2-TC SNMPv2-CONF"

root=$(cd "$(dirname "$0")/.." && pwd)
base=$root/mib/base

complete() {
	for m in $wanted; do
		[ -s "$base/$m.mib" ] || return 1
	done
}

if ! complete; then
	if ! command -v npm >/dev/null; then
		echo "mibs: npm is missing; install it (Debian: apt-get install npm), or put the modules" >&2
		echo "mibs: $wanted with the ending .mib into mib/base yourself" >&2
		exit 1
	fi
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT INT TERM
	if ! (cd "$work" && npm pack --silent --cache "$work/cache" "$package" >packed); then
		echo "mibs: npm could not fetch $package; is the registry reachable? (npm ping)" >&2
		exit 1
	fi
	tar -xzf "$work/$(tail -n 1 "$work/packed")" -C "$work" package/lib/mibs
	mkdir -p "$base"
	cp "$work"/package/lib/mibs/*.mib "$base/"
	if ! complete; then
		echo "mibs: $package does not have all of $wanted under lib/mibs; mib/base holds: $(ls "$base")" >&2
		exit 1
	fi
fi

echo "base modules: mib/base"
if command -v smilint >/dev/null; then
	said=$(SMIPATH=$base smilint -s -l 3 "$root/mib/SIMONE-MIB.txt" 2>&1) || true
	if [ -n "$said" ]; then
		echo "mibs: smilint on mib/SIMONE-MIB.txt:" >&2
		echo "$said" >&2
		exit 1
	fi
	echo "smilint -s -l 3: silent"
fi
echo "walk a node by name:"
echo "  snmpwalk -v 2c -c public -M $base:$root/mib -m SIMONE-MIB ${1:-127.0.0.1:1161} SIMONE-MIB::simoneMIB"
