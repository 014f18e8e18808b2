# Weir's commands. `make help` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run build web lighthouse test bench lint generate servers check-tools

# Arguments for `weir up`, such as: make run ARGS='--listen 0.0.0.0:8080'
ARGS ?=

# Where cargo puts what it builds: CARGO_TARGET_DIR and cargo's own settings count.
WEIR = "$$(scripts/target-dir)/debug/weir"

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: servers build ## Fetch the servers, build, and start everything on http://localhost:8080 (ARGS='...' for options)
	@exec $(WEIR) up $(ARGS)

# --workspace: with the features that the tests ask of shared crates too, so that nothing big is compiled twice.
build: web ## Build the dashboard and the weir binary with it in
	@cargo build --locked --workspace --bin weir

web: check-tools ## Build the dashboard
	@scripts/web

test: check-tools servers ## Run every test there is, against real servers, and print how many
	@scripts/test

bench: servers build ## Measure the event log against raw JetStream publishes (ARGS='--json' for machines)
	@exec $(WEIR) bench append $(ARGS)

lighthouse: servers build ## Measure the dashboard's home with Lighthouse, fetched by npx
	@cd web && WEIR_BINARY="$$(../scripts/target-dir)/debug/weir" npx vitest run --config vitest.e2e.config.ts --mode lighthouse

lint: check-tools ## Check formatting, lints and, where cargo-deny is installed, licences and advisories
	@scripts/lint

generate: build ## Write the files that are made from code: openapi.json, asyncapi.json, docs/events.md
	@scripts/generate

servers: ## Fetch the pinned nats-server and PostgreSQL into .weir
	@scripts/fetch-servers

check-tools:
	@scripts/check-tools
