# The commands of the project. `make` lists them.
#
# Cargo always gets the same selection of packages and features: another one would compile half of the dependencies
# again. `--workspace` selects all packages; `--examples` matches nothing, but asks for the features that the tests ask for.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# What may be set: make up PORT=9100 ARGS=--ephemeral
ARGS ?=
STAGE ?= dev
FUNCTION ?= members
EVENT ?=
INVOKE_PORT ?= 9001
PORTAL_ROUNDS ?= 1000
BOOKINGS ?= 1000000
LINES ?= 200000
VENV ?= .venv

TARGET := $(or $(CARGO_TARGET_DIR),target)
LOCAL := $(TARGET)/debug/portal-local
SELECTION := --workspace --locked
CONFIG := $(if $(filter dev,$(STAGE)),default,$(STAGE))

# Python tools live in a directory of their own; a stamp named after the list says that it is installed.
fingerprint = $(shell cksum $(1) | cut -d' ' -f1)
TOOLS := $(VENV)/.tools-$(call fingerprint,requirements.txt)
BUILDERS := $(VENV)/.builders-$(call fingerprint,requirements-build.txt)
WITH_TOOLS := PATH="$(abspath $(VENV))/bin:$$PATH" SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION="$${AWS_DEFAULT_REGION:-eu-central-1}"

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- Every day -----------------------------------------------------------------------------------------------

.PHONY: up
up: toolchain ## Build and serve everything on this machine (PORT=9000, ARGS=--ephemeral)
	cargo build $(SELECTION) --examples --bin portal-local
	exec $(LOCAL) $(ARGS)

.PHONY: test
test: toolchain check-format check-template check-code check-tests check-docs deny ## Run every check
	@echo "All checks passed."

.PHONY: lint
lint: toolchain check-format check-template check-code check-docs ## Run the checks that run no code of ours

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: generate
generate: toolchain ## Write the generated documents anew (OpenAPI, permissions, codes, cost, ...)
	cargo build $(SELECTION) --examples --bin portal-local
	$(LOCAL) generate

.PHONY: clean
clean: ## Remove what was built; `.local/` keeps its data
	cargo clean
	rm -rf .aws-sam

# ---- Checks --------------------------------------------------------------------------------------------------

.PHONY: toolchain
toolchain:
	@command -v cargo > /dev/null || { echo "Rust is missing. Install it from https://rustup.rs and run make again."; exit 1; }
	@command -v cc > /dev/null || { echo "A C compiler is missing. Install gcc or clang and run make again."; exit 1; }

.PHONY: check-format
check-format:
	cargo fmt --all --check

.PHONY: check-template
check-template: $(TOOLS)
	$(WITH_TOOLS) cfn-lint infra/template.yaml
	$(WITH_TOOLS) sam validate --lint --config-env $(CONFIG)

.PHONY: check-code
check-code:
	cargo clippy $(SELECTION) --all-targets -- -D warnings

# nextest where it is installed, else Cargo's own runner. nextest does not know documentation tests.
.PHONY: check-tests
check-tests:
	if cargo nextest --version > /dev/null 2>&1; then \
	    cargo nextest run $(SELECTION) --no-fail-fast; \
	    cargo test $(SELECTION) --doc --quiet; \
	else \
	    cargo test $(SELECTION) --no-fail-fast; \
	fi

.PHONY: check-docs
check-docs:
	RUSTDOCFLAGS="-D warnings" cargo doc $(SELECTION) --no-deps --lib --examples

.PHONY: deny
deny: ## Check licenses, advisories and banned crates, if cargo-deny is installed
	@if cargo deny --version > /dev/null 2>&1; then \
	    cargo deny $(SELECTION) check; \
	else \
	    echo "deny: skipped, cargo-deny is not installed (cargo install --locked cargo-deny)"; \
	fi

.PHONY: nightly
nightly: toolchain ## Run the race and fault tests for long (PORTAL_ROUNDS=1000)
	PORTAL_ROUNDS=$(PORTAL_ROUNDS) $(MAKE) check-tests

.PHONY: bench
bench: toolchain ## A function as it is deployed (FUNCTION=members), an import (LINES=200000), and lists (BOOKINGS=1000000)
	cargo build $(SELECTION) --examples --release --bin portal-local --bin run-imports --bin $(FUNCTION)
	$(TARGET)/release/portal-local bench $(FUNCTION) $(TARGET)/release/$(FUNCTION)
	$(TARGET)/release/portal-local bench-import $(LINES) $(TARGET)/release/run-imports
	$(TARGET)/release/portal-local bench-lists $(BOOKINGS)

# ---- The cloud -----------------------------------------------------------------------------------------------

.PHONY: build
build: $(TOOLS) $(BUILDERS) ## Build the functions for Lambda (STAGE=dev)
	$(WITH_TOOLS) sam build --config-env $(CONFIG)

.PHONY: deploy
deploy: $(TOOLS) ## Deploy what was built (STAGE=dev, staging or prod; values in samconfig.toml)
	@test -f .aws-sam/build/template.yaml || { echo "Nothing is built: make build STAGE=$(STAGE)"; exit 1; }
	$(WITH_TOOLS) sam deploy --config-env $(CONFIG)

# ---- Single functions ----------------------------------------------------------------------------------------

.PHONY: watch
watch: toolchain $(BUILDERS) ## Run single functions with cargo-lambda against `make up` (INVOKE_PORT=9001)
	@test -f .local/functions.env || { echo "Start the local stack first: make up"; exit 1; }
	$(WITH_TOOLS) cargo lambda watch --invoke-address 127.0.0.1 --invoke-port $(INVOKE_PORT) --env-file .local/functions.env

.PHONY: invoke
invoke: $(BUILDERS) ## Send an event to a function under `make watch` (FUNCTION=members EVENT=list_members)
	@test -f "events/$(FUNCTION)/$(EVENT).json" || { echo "Name an event of $(FUNCTION):"; ls "events/$(FUNCTION)" 2> /dev/null | sed 's/\.json$$//; s/^/  EVENT=/' || true; exit 1; }
	$(WITH_TOOLS) cargo lambda invoke $(FUNCTION) --invoke-address 127.0.0.1 --invoke-port $(INVOKE_PORT) --data-file events/$(FUNCTION)/$(EVENT).json

# ---- Python tools --------------------------------------------------------------------------------------------

$(VENV)/bin/python:
	python3 -m venv $(VENV)

$(TOOLS): | $(VENV)/bin/python
	@rm -f $(VENV)/.tools-*
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

$(BUILDERS): | $(VENV)/bin/python
	@rm -f $(VENV)/.builders-*
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-build.txt
	@touch $@
