# make help lists what can be made. Nothing but bin/, mib/base/ and, while a
# fuzz target fails, testdata/fuzz/ is written in the clone; Go keeps its build
# and module caches where it always does.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

PKG       = ./...
TESTFLAGS =
RUN       =
BENCH     = .
BENCHTIME = 1s
FUZZTIME  = 10s
FUZZ      =
SEEDS     = 8
ARGS      =
SOAKFOR   = 3m
HUNTFOR   = 0s
# Of the faults of make soak and make hunt; the time of day if none is given.
SEED      = $(shell date +%s)
FROM      = 85e6045

# The net-snmp tools write to their persistent directory, in the user's home if
# nobody says otherwise, and talk about it when it lacks cert_indexes.
quiet_snmp = dir=$$(mktemp -d) && mkdir "$$dir/cert_indexes" && trap 'rm -rf "$$dir"' EXIT && trap 'exit 130' INT TERM && SNMP_PERSISTENT_DIR="$$dir"

# snmpd is where not every user's PATH leads.
export PATH := $(PATH):/usr/sbin

# Where git does not answer for the clone (it is another user's), Go would not
# build what it cannot stamp with a commit.
ifeq ($(shell git rev-parse HEAD 2>/dev/null),)
export GOFLAGS := $(GOFLAGS) -buildvcs=false
endif

.DEFAULT_GOAL := help
.PHONY: help build demo test tools check race upgrade soak hunt bench fuzz mibs evaluation clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## simoned, simone-tlm and simonectl, into bin/
	@mkdir -p bin
	go build -o bin/ ./cmd/...

demo: build ## a live tree on loopback until Ctrl-C; ARGS="--nodes 100" changes it
	@bin/simonectl demo $(ARGS)

test: tools ## all tests; RUN=Name for some, PKG=./mib/... for a package, TESTFLAGS=-v
	@$(quiet_snmp) go test $(if $(RUN),-run '$(RUN)') $(PKG) $(TESTFLAGS)

tools:
	@scripts/tools.sh

check: ## format, vet, staticcheck, tidy go.mod, generated files, layering
	@scripts/check.sh $(STATICCHECK)

race: tools ## all tests with the race detector (needs a C compiler)
	@command -v $$(go env CC) >/dev/null || { echo "race: there is no C compiler, which -race needs; on Debian: apt-get install gcc libc6-dev" >&2; exit 1; }
	@CGO_ENABLED=1 && export CGO_ENABLED && $(quiet_snmp) go test -race $(if $(RUN),-run '$(RUN)') $(PKG) $(TESTFLAGS)

soak: tools ## faults for SOAKFOR (3m) among 40 nodes as processes; SEED=N for those of N again
	@$(quiet_snmp) go test ./internal/testbed -run LiveChaos -count=1 -timeout=0 -v -chaos.for=$(SOAKFOR) -chaos.seed=$(SEED) -chaos.nodes=40 -chaos.snmpds=6

hunt: build ## simulated faults until Ctrl-C; HUNTFOR=1h ends it, SEED=N begins with that scenario
	@bin/simonectl sim faults --for $(HUNTFOR) --seed $(SEED)

upgrade: ## restarts a tree of an earlier commit's daemons with today's; FROM=85e6045
	@go test ./internal/testbed -count=1 -run TestLiveUpgrade -v -live.from $(FROM)

bench: ## benchmarks, and what polls cost beside gosnmp and a whole ILM; BENCH=Poller for some, BENCHTIME=5s for longer
	@scripts/bench.sh '$(BENCH)' '$(BENCHTIME)' $(PKG)

fuzz: ## every fuzz target for FUZZTIME (10s); FUZZ=ParseApply for some
	@scripts/fuzz.sh '$(FUZZTIME)' '$(FUZZ)'

mibs: ## base MIB modules into mib/base, so that net-snmp's tools know names
	@scripts/mibs.sh

evaluation: build ## document 001's section 5 by simulation, into bin/evaluation; SEEDS=8, goes on where it was; LARGE=1 for a tree of a million leaves
ifdef LARGE
	bin/simonectl sim run configs/sim/million.yaml --seeds 1
else
	GOGC=400 bin/simonectl sim sweep --evaluation --seeds $(SEEDS) --out bin/evaluation >bin/evaluation.txt
	bin/simonectl sim report bin/evaluation --seeds $(SEEDS)
	go test ./sim -run Acceptance -count=1 -timeout 0 -v -sim.seeds=$(SEEDS) -sim.results=$(CURDIR)/bin/evaluation
endif

clean: ## takes away what was built
	rm -rf bin
