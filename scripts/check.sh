#!/bin/sh
# Everything that make check holds the code to. All of it runs, so that one
# run says all that is to be mended.
#
#   scripts/check.sh staticcheck-package@version
set -u
cd "$(dirname "$0")/.."
failed=0

# step runs a command and shows what it says only if it fails.
step() { # name, remedy, command...
	name=$1 remedy=$2
	shift 2
	if said=$("$@" 2>&1); then
		echo "ok    $name"
	else
		echo "FAIL  $name: $remedy"
		printf '%s\n' "$said" | sed 's/^/      /'
		failed=1
	fi
}

formatted() {
	files=$(gofmt -l .) && [ -z "$files" ] && return
	echo "$files"
	return 1
}

generated() {
	new=$(mktemp)
	go run ./mib/internal/genobjects mib/SIMONE-MIB.txt "$new" && diff -u mib/objects_gen.go "$new"
	status=$?
	rm -f "$new"
	return $status
}

step gofmt "run gofmt -w on these" formatted
step vet "mend these" go vet ./...
step staticcheck "mend these" go run "$1" ./...
step tidy "run go mod tidy" go mod tidy -diff
step generated "run go generate ./mib" generated
step house "see internal/house" go test ./internal/house
exit $failed
