# Firn: every command a contributor or CI needs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# --- versions of what is installed under .tools/ ------------------------------
GOLANGCI_VERSION := v2.15.0
MINIO_VERSION    := v0.0.0-20260212201848-7aac2a2c5b7c
TPCHGEN_VERSION  := 4.0.0
BUF_VERSION      := 1.75.0
PROTOC_ES_VERSION := 2.13.0

TOOLS  := $(CURDIR)/.tools
TAGS   := duckdb_arrow
GO     ?= go
GOTEST := $(GO) test -tags $(TAGS)
# Which commit `firn version` names; "+" for a work tree with changes.
COMMIT  = $(shell git rev-parse HEAD 2>/dev/null)$(shell git diff --quiet HEAD -- 2>/dev/null || echo +)
# S3=minio puts every test and the demo on MinIO.
BESIDE := $(if $(filter minio,$(S3)),.ci/with-minio)
LDFLAGS = -X github.com/firnlake/firn/internal/telemetry.commit=$(COMMIT)
# What is compiled or embedded into bin/firn, and into the page.
SOURCES := go.mod go.sum $(shell find cmd catalog writer compactor query internal proto web -name node_modules -prune -o -name dist -prune -o \
	-type f \( -name '*.go' -o -name '*.tmpl' -o -name fallback.html \) ! -name '*_test.go' -print)
PAGE := $(shell find web -name node_modules -prune -o -name dist -prune -o -type f ! -name '*.go' ! -name '*.test.ts*' ! -name fallback.html ! -name buf.gen.yaml -print) $(wildcard docs/compatibility/*.json)

export GOLANGCI_VERSION MINIO_VERSION

##@ Main

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## Replay 541,909 real rows from bronze to gold, then keep the page up (ARGS="--exit --summary FILE"; S3=minio)
	@if [ "$(S3)" = minio ]; then $(MAKE) --silent --no-print-directory bin/minio; fi
	bin/firn demo $(if $(S3),--s3 $(S3)) $(ARGS)

.PHONY: run
run: build ## Start firn dev on loopback
	bin/firn dev $(ARGS)

.PHONY: build
build: web/dist/index.html bin/firn ## Build the page and bin/firn

bin/firn: $(SOURCES) web/dist/index.html
	$(GO) build -tags $(TAGS) -ldflags "$(LDFLAGS)" -o $@ ./cmd/firn

##@ Proof

.PHONY: test
test: tools-test build vet test-go test-web test-integration ## All that proves it: unit, conformance, engines in wheels, demo, kills, browser, MinIO (S3=minio: all of it there)

.PHONY: vet
vet:
	$(GO) build ./...
	$(GO) vet -tags $(TAGS) ./...

.PHONY: test-go
test-go: $(if $(BESIDE),bin/minio) ## Go tests of all rooms (S3=minio)
	$(BESIDE) $(GOTEST) -timeout 20m $$($(GO) list -tags $(TAGS) ./... | grep -v /integration/)

.PHONY: test-web
test-web: web/node_modules/.stamp ## Unit tests and type check of the page
	cd web && npm run --silent check && npm test --silent

# The journeys that need no Java. Those of all engines are test-engines.
WHEELS := ^Test(PyIceberg|DuckDB|Polars|Findings|Missing|Rendering|Nested|Differences)

.PHONY: test-integration
test-integration: build tools-test ## Black box against bin/firn: demo, kills, browser, MinIO; PyIceberg, DuckDB and polars
	$(GOTEST) -count=1 -timeout 60m -p 1 $$($(GO) list -tags $(TAGS) ./integration/... | grep -v /integration/engines)
	$(GOTEST) -count=1 -timeout 30m -run '$(WHEELS)' ./integration/engines

.PHONY: test-engines
test-engines: build tools-engines ## Spark, Trino, PyIceberg, DuckDB, polars against bin/firn (S3=minio; RUN=TestName; RECORD=1 renews docs/compatibility.md)
	$(if $(S3),S3=$(S3)) $(GOTEST) -v -count=1 -timeout 60m -p 1 $(if $(RUN),-run '$(RUN)') ./integration/engines/... $(if $(RECORD),-args -record)

# A journey an engine; `make test S3=minio` and `make test-engines S3=minio` are
# all of it.
ON_MINIO := ^Test(SparkWrites|TrinoWrites|PyIcebergWrites|DuckDBWrites|Polars)$$

.PHONY: test-minio
test-minio: build tools-engines bin/minio ## On MinIO: the object store, multipart among it, the demo, and a journey an engine
	.ci/with-minio $(GOTEST) -count=1 ./internal/objstore/...
	S3=minio $(GOTEST) -count=1 -timeout 20m ./integration/demo
	S3=minio $(GOTEST) -v -count=1 -timeout 30m -run '$(ON_MINIO)' ./integration/engines

.PHONY: lint
lint: tools-lint web/node_modules/.stamp ## All linters; generated code must not drift
	$(TOOLS)/bin/golangci-lint run --build-tags $(TAGS) ./...
	cd web && npm run --silent lint
	$(MAKE) --no-print-directory generate-check

.PHONY: bench
bench: build ## Measure against peers; prints a table and writes docs/benchmarks/
	$(GO) run -tags $(TAGS) ./integration/bench $(ARGS)

.PHONY: bench-engines
bench-engines: build tools-engines tools-tpch ## TPC-H through Firn, DuckDB, Trino and Spark, small files and compacted (ENGINES=firn,duckdb; QUERIES=1,6; RUNS=1; an hour in full)
	$(GOTEST) -count=1 -timeout 180m -run '^$$' -bench '^BenchmarkTPCH$$' -benchtime 1x -v ./integration/bench/tpch

.PHONY: bench-compaction
bench-compaction: build tools-test tools-engines ## Compaction beside Spark, iceberg-go, DuckDB and a copy of bytes, from one input (PEERS=firn,duckdb; CASES=a,d; RUNS=1; SCALE=0.1; 40 minutes in full)
	$(GOTEST) -count=1 -timeout 180m -run '^$$' -bench '^BenchmarkCompaction$$' -benchtime 1x -v ./integration/bench/compaction

.PHONY: bench-hot
bench-hot: build tools-test ## What cooling a hot partition brings: Online Retail and a Zipf load, planned by PyIceberg (LOADS=retail,zipf; SCALE=0.1)
	$(GOTEST) -count=1 -timeout 60m -run '^$$' -bench '^BenchmarkHot$$' -benchtime 1x -v ./integration/bench/hot

##@ Generated code

.PHONY: generate
generate: tools-buf ## Generate Go and TypeScript from proto/
	PATH="$(TOOLS)/buf/node_modules/.bin:$$PATH" buf lint
	PATH="$(TOOLS)/buf/node_modules/.bin:$$PATH" buf generate
	PATH="$(TOOLS)/buf/node_modules/.bin:$$PATH" buf generate --template web/buf.gen.yaml -o web

.PHONY: generate-check
generate-check: generate ## Fail when generated code differs from what is committed
	@if [ -n "$$(git status --porcelain -- proto web/src/gen)" ]; then git status --short -- proto web/src/gen; echo "generated code is stale: run 'make generate' and commit the result" >&2; exit 1; fi

##@ Tools (installed under .tools/)

.PHONY: tools-buf
tools-buf: $(TOOLS)/buf/.stamp-$(BUF_VERSION)-$(PROTOC_ES_VERSION)
$(TOOLS)/buf/.stamp-%:
	@echo "installing buf $(BUF_VERSION) under .tools/buf"
	@mkdir -p $(TOOLS)/buf && cd $(TOOLS)/buf && npm init -y >/dev/null && npm install --silent --no-audit --no-fund @bufbuild/buf@$(BUF_VERSION) @bufbuild/protoc-gen-es@$(PROTOC_ES_VERSION)
	@touch $@

.PHONY: tools-lint
tools-lint: $(TOOLS)/bin/.golangci-lint-$(GOLANGCI_VERSION)
$(TOOLS)/bin/.golangci-lint-%:
	@echo "building golangci-lint $(GOLANGCI_VERSION) under .tools/bin (a few minutes, once)"
	@GOBIN=$(TOOLS)/bin GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@touch $@

.PHONY: minio
minio: bin/minio ## Build MinIO from its Go module and start it on loopback for local work
	@echo "MinIO on http://127.0.0.1:9000, keys minioadmin / minioadmin, data in .firn/minio; Ctrl-C ends it"
	@mkdir -p .firn/minio && MINIO_ROOT_USER=minioadmin MINIO_ROOT_PASSWORD=minioadmin bin/minio server .firn/minio --address 127.0.0.1:9000 --quiet

bin/minio:
	@.ci/install minio

.PHONY: tools-test
tools-test: ## Install what the tests need: Chromium, Python wheels, MinIO
	@.ci/install chromium python minio

.PHONY: tools-engines
tools-engines: ## Install the engines on a JVM, with their Java: Spark, Trino
	@.ci/install engines $(if $(filter minio,$(S3)),minio)

.PHONY: tools-tpch
tools-tpch: $(TOOLS)/tpch/.stamp-$(TPCHGEN_VERSION) ## Generate the data of TPC-H, scale 1
$(TOOLS)/tpch/.stamp-%:
	@.ci/install python
	@echo "generating TPC-H, scale 1, under .tools/tpch (230 MB, once)"
	@rm -rf $(TOOLS)/tpch && $(TOOLS)/venv/bin/python -m pip install --quiet --disable-pip-version-check --target $(TOOLS)/tpch tpchgen-cli==$(TPCHGEN_VERSION)
	@# One row group a file: `firn ingest` cuts its batches to the row.
	@$(TOOLS)/tpch/bin/tpchgen-cli parquet -s 1 --row-group-bytes=4GB --output-dir=$(TOOLS)/tpch/sf1
	@touch $@

# Not `npm ci`: it refuses the lock file where a registry does not serve the
# builds for other platforms. Versions are those of the lock file here too.
web/node_modules/.stamp: web/package-lock.json
	cd web && npm install --no-save --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.stamp $(PAGE)
	cd web && npm run --silent build
