#!/bin/sh
# Runs the benchmarks, and with those of polling, or all, compares what a poll
# costs with gosnmp and with bare datagrams, of 1,000 targets and of 4,000, and
# what a whole ILM costs with the poll engine alone.
#
#   scripts/bench.sh pattern benchtime package...
set -eu
cd "$(dirname "$0")/.."
pattern=$1 benchtime=$2
shift 2
dir=$(mktemp -d)
out=$dir/out
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

# Packages without benchmarks have nothing to say.
{ go test -run '^$' -bench "$pattern" -benchtime "$benchtime" -benchmem "$@" 2>&1 || echo FAIL; } |
	tee "$out" | grep --line-buffered -v -e '^PASS$' -e '^ok ' -e 'no test files' -e '^goos:' -e '^goarch:' || true
if grep -q '^FAIL' "$out"; then
	exit 1
fi
case $pattern in
. | *[Pp]oll*)
	go build -o "$dir/simonectl" ./cmd/simonectl
	for comparison in "poll" "poll --targets 4000" "ilm"; do
		echo
		# shellcheck disable=SC2086 # of several words
		"$dir/simonectl" bench $comparison
	done
	;;
esac
