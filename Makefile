# Two commands do everything: `make demo` and `make test`. Each creates the environment it needs in .venv,
# with uv where it is present and with venv and pip elsewhere; the lock files pin every version by hash.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
ARGS ?=

.PHONY: demo test lint bench secrets lock clean

demo: .venv/.runtime
	@$(BIN)/fairmeter demo $(ARGS)

test: .venv/.development
	@$(BIN)/pytest $(ARGS)

lint: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.development
	@$(BIN)/python -m tests.bench $(ARGS)

# Further names of the broker and devices that get a password: make secrets NAMES="mqtt.example.com" DEVICES="comp-01"
secrets: .venv/.runtime
	@$(BIN)/python -m gateway.deployment.secrets secrets --names "$(NAMES)" --devices "$(DEVICES)"

lock: .venv/.development
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header -o requirements.lock
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header \
		-c requirements.lock -o requirements-dev.lock

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Fairmeter needs Python 3.11 or newer; install it and run make again." >&2; exit 1; }
ifdef UV
	@uv venv --quiet --python $(PYTHON) .venv
else
	@$(PYTHON) -m venv .venv
endif

# A lock file is installed whole, then the project itself, without asking for anything the lock does not name.
define install
	@echo "Preparing the environment in .venv ($(1)) ..." >&2
	@if [ -n "$(UV)" ]; then \
		uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1) && \
		uv pip install --quiet --python $(BIN)/python --no-deps -e .; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .; \
	fi
	@touch $@
endef

.venv/.runtime: .venv/bin/python requirements.lock pyproject.toml
	$(call install,requirements.lock)

.venv/.development: .venv/bin/python requirements-dev.lock pyproject.toml
	$(call install,requirements-dev.lock)
	@touch .venv/.runtime
