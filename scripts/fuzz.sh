#!/bin/sh
# Runs each fuzz target in turn, as go test takes one at a time.
#
#   scripts/fuzz.sh 10s [pattern]    only those whose name has the pattern
set -eu
cd "$(dirname "$0")/.."
time=$1 pattern=${2:-}

targets=$(grep -rHoE --include='*_test.go' "^func Fuzz\w*$pattern\w*\(" . | sed 's/func //; s/($//' | sort)
if [ -z "$targets" ]; then
	echo "fuzz: no fuzz target has $pattern in its name" >&2
	exit 1
fi
failed=0
for target in $targets; do # file:name
	package=$(dirname "${target%%:*}") name=${target##*:}
	echo "== $package $name"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$package" || failed=1
done
exit $failed
