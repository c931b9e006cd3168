#!/bin/sh
# Sees to it that what the tests run is there: net-snmp's tools and its snmpd,
# smilint and smidump, an etcd server, and the base MIB modules in mib/base. On Debian, as root,
# it installs what is missing. Otherwise it says what is missing and goes on, as
# the tests skip what they cannot run; in CI (CI=true) that is a failure.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin # where snmpd is, which not every user's has

# base says whether the base modules are in place: in mib/base, or where SMIPATH
# says.
base() {
	[ -n "${SMIPATH:-}" ] || [ -s mib/base/SNMPv2-TC.mib ]
}

# missing prints the Debian packages of the programs that are not there.
missing() {
	command -v snmpget >/dev/null && command -v snmpwalk >/dev/null || echo snmp
	command -v snmpd >/dev/null || echo snmpd
	command -v smilint >/dev/null && command -v smidump >/dev/null || echo smitools
	command -v etcd >/dev/null || echo etcd-server
	base || command -v npm >/dev/null || echo npm
}

# lacking says what is not there, and ends in CI.
lacking() {
	echo "tools: $1" >&2
	if [ "${CI:-}" = true ]; then
		echo "tools: in CI every test has to run: giving up" >&2
		exit 1
	fi
	echo "tools: tests that need it are skipped" >&2
}

# policy forbids packages to start services, while it is there.
policy=/usr/sbin/policy-rc.d

install() {
	echo "tools: installing $*"
	# The tests run snmpds and etcds of their own; the system's, which the
	# package would start now and at each boot, is not to be among them.
	case $* in
	snmpd) service=snmpd ;;
	etcd-server) service=etcd ;;
	*) service= ;;
	esac
	if [ -n "$service" ]; then
		quietly "$@" || return 1
		if command -v systemctl >/dev/null; then
			systemctl --quiet disable "$service" >/dev/null 2>&1 || echo "tools: the system's $service could not be disabled; it may start at the next boot" >&2
		fi
		return 0
	fi
	fetch "$@"
}

# quietly installs what would start a service, which it is not to.
quietly() {
	if [ ! -e "$policy" ]; then
		trap 'rm -f "$policy"' EXIT
		trap 'exit 130' INT TERM
		printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
		fetch "$@" || { rm -f "$policy"; return 1; }
		rm -f "$policy"
		return 0
	fi
	fetch "$@"
}

fetch() {
	# Not every machine has package lists, and those it has may be old.
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null 2>&1 && return
	apt-get update -qq </dev/null >/dev/null &&
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
}

# Package by package, so that one that is not to be had does not keep the
# others away.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	for package in $(missing); do
		install "$package" || echo "tools: apt-get could not install $package" >&2
	done
fi

packages=$(missing | tr '\n' ' ')
if [ -n "$packages" ]; then
	if command -v apt-get >/dev/null; then
		lacking "missing programs; as root: apt-get install $packages"
	else
		lacking "missing programs; install what your system calls (on Debian) $packages"
	fi
fi

if ! base && command -v npm >/dev/null; then
	scripts/mibs.sh >/dev/null || lacking "the base MIB modules are missing"
fi
