# Everything goes through here. `make demo` and `make test` need no set-up but Go;
# what else is needed they put into .bin.

export CGO_ENABLED := 0

.PHONY: help build demo acceptance test test-unit test-race test-bench cross lint bench bench-mask soak fuzz tools clean

help:
	@echo "make demo    what the program does, in a minute; writes ./demo"
	@echo "make acceptance  a log in S3 and an export from PostgreSQL, verified; writes ./reports/logs"
	@echo "make test    all tests, the race detector, and builds for other systems"
	@echo "make lint    gofmt, go vet, staticcheck, and the rules of the house"
	@echo "make build   ./indelible"
	@echo "make bench   benchmarks against limits measured in the same run (BENCH=append,verify)"
	@echo "make bench-mask  what the mask finds, and how fast"
	@echo "make fuzz    every fuzz target for FUZZTIME (30s)"
	@echo "make soak    thousands of kills, every byte flipped, 5 million events; hours"
	@echo "make clean   what was built, the demo and the tools"

build:
	go build -o indelible ./cmd/indelible

demo:
	@scripts/demo

acceptance:
	@scripts/tools versitygw
	@scripts/tools postgresql
	ACCEPTANCE_DIR=$(CURDIR)/reports/logs go test -count=1 -run TestAcceptance ./cmd/indelible
	@tail -n 2 reports/logs/Audit_LogIntegrity.log reports/logs/Audit_ETL.log

test: test-unit test-race test-bench cross

# Most tests wait for servers and disks: more of them at once than there are cores.
PARALLEL := 4

# The tests start a real S3 server.
test-unit:
	@scripts/tools versitygw postgresql postgresql-versions pgbouncer
	go test -timeout 20m -parallel $(PARALLEL) ./...
	go test -tags purego ./internal/sha256lanes

# The race detector runs where goroutines meet. It needs cgo, alone of all builds.
RACE := ./internal/access/... ./internal/api/... ./internal/exports/... ./internal/jobs/... ./client/... ./internal/dataset/... ./internal/journal/... ./internal/ledger/... ./internal/recorder/... ./internal/handover/... ./internal/store/... ./cmd/... ./internal/runs/...
test-race:
	@scripts/tools versitygw postgresql pgbouncer
	CGO_ENABLED=1 go test -race -short -timeout 20m -parallel $(PARALLEL) $(RACE)

# bench is a module of its own.
test-bench:
	cd bench && go test ./...

cross:
	@scripts/cross

lint:
	@scripts/lint

bench:
	cd bench && go run . $(BENCH)

bench-mask:
	cd bench && go run . mask

soak:
	@scripts/tools versitygw postgresql pgbouncer
	SOAK=1 go test -timeout 6h -run 'TestKill|TestServerKilled|TestFlipBytes' -v ./cmd/indelible ./internal/ledger
	cd bench && go run . -soak

FUZZTIME := 30s
fuzz:
	@scripts/fuzz $(FUZZTIME)

tools:
	@scripts/tools

clean:
	rm -rf indelible .bin
	@if [ -e demo/.made-by-the-demo ]; then rm -rf demo; fi
