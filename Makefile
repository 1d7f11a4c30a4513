# Everything goes through here: `make demo` and `make test` need no set-up.

export CGO_ENABLED := 0
BIN := $(CURDIR)/.bin

STATICCHECK_VERSION := v0.7.0
VERSITYGW_VERSION := v1.8.0

.PHONY: build demo test test-race lint bench soak fuzz cross clean tools

build:
	go build -o indelible ./cmd/indelible

demo:
	@scripts/demo

# The tests start a real S3 server; `tools` installs it.
test: $(BIN)/versitygw test-race cross
	go test ./...
	cd bench && go test ./...

# The race detector runs where goroutines meet. It needs cgo, alone of all builds.
test-race: $(BIN)/versitygw
	CGO_ENABLED=1 go test -race -short ./internal/journal/... ./internal/ledger/... ./internal/recorder/... ./internal/handover/... ./internal/store/...

lint: $(BIN)/staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	go vet ./...
	cd bench && go vet ./...
	$(BIN)/staticcheck ./...
	go test -run TestImports ./internal/rules

bench:
	cd bench && go run . $(BENCH)

soak:
	SOAK=1 go test -timeout 6h -run Soak -v ./...
	cd bench && go run . -soak

FUZZTIME := 30s
fuzz:
	scripts/fuzz $(FUZZTIME)

cross:
	scripts/cross

tools: $(BIN)/versitygw $(BIN)/staticcheck

$(BIN)/versitygw:
	GOBIN=$(BIN) go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)

$(BIN)/staticcheck:
	GOBIN=$(BIN) go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)

clean:
	rm -rf indelible demo .bin
