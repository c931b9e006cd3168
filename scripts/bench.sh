#!/bin/sh
# Runs the benchmarks, and then says as ratios what BenchmarkYardstick
# compares, by CPU time of the client.
#
#   scripts/bench.sh pattern benchtime package...
set -eu
cd "$(dirname "$0")/.."
pattern=$1 benchtime=$2
shift 2
out=$(mktemp)
trap 'rm -f "$out"' EXIT
trap 'exit 130' INT TERM

# Packages without benchmarks have nothing to say.
{ go test -run '^$' -bench "$pattern" -benchtime "$benchtime" -benchmem "$@" 2>&1 || echo FAIL; } |
	tee "$out" | grep --line-buffered -v -e '^PASS$' -e '^ok ' -e 'no test files' -e '^goos:' -e '^goarch:' || true
if grep -q '^FAIL' "$out"; then
	exit 1
fi
grep -q '^BenchmarkYardstick/' "$out" || exit 0

# The clients take turns, so that what else the machine does meets them alike.
echo
echo "ratios of client CPU time, medians of 5:"
for _ in 1 2 3 4 5; do
	go test -run '^$' -bench Yardstick -benchtime 20000x ./internal/house
done | awk '
	/^BenchmarkYardstick\// {
		name = $1; sub(/^BenchmarkYardstick\//, "", name); sub(/-[0-9]+$/, "", name)
		for (i = 2; i < NF; i++) if ($(i + 1) == "cpu-ns/op") cost[name, ++n[name]] = $i
	}
	function median(name,   i, j, t) {
		for (i = 2; i <= n[name]; i++)
			for (j = i; j > 1 && cost[name, j - 1] > cost[name, j]; j--) {
				t = cost[name, j]; cost[name, j] = cost[name, j - 1]; cost[name, j - 1] = t
			}
		return cost[name, int((n[name] + 1) / 2)]
	}
	END {
		floor = median("get10/udp"); simone = median("get10/simone"); gosnmp = median("get10/gosnmp")
		if (!floor || !simone || !gosnmp) { print "  a benchmark is missing"; exit 1 }
		printf "  a GET of ten variables   poller : bare datagrams = %.1f\n", simone / floor
		printf "                           gosnmp : bare datagrams = %.1f\n", gosnmp / floor
		printf "                           gosnmp : poller         = %.1f\n", gosnmp / simone
	}'
