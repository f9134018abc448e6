# `make` lists what there is. Everything happens in this folder: .venv/ holds the programs, var/ what the portal writes.

PYTHON := .venv/bin/python
UV_VERSION := 0.13.9
PORT ?= 8000
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup install lock run test check bench storm audit

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what requirements.lock names into .venv (run, test and all others begin with it)
	@$(PYTHON) -c pass 2>/dev/null && cmp -s requirements.lock .venv/requirements.lock || $(MAKE) --no-print-directory install

run: setup ## start the portal with its database, sandbox and background work (PORT=8000); Ctrl-C stops all
run: export DEBUG := 1
run:
	@$(PYTHON) manage.py run_portal --port $(PORT)

test: setup ## run every test but the storms; ARGS="-k name" passes options to pytest
	@echo "Left out: the long fault runs (make storm). Whatever else is left out is listed with its reason at the end."
	@$(PYTHON) -m pytest -n auto -m "not storm" $(ARGS)

check: setup ## lint, formatting, types, templates, migrations, architecture, README
test check bench storm audit: export SECRET_KEY := $(or $(SECRET_KEY),long-enough-and-secret-to-nobody-since-it-only-guards-tests)
check:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m djlint --lint --quiet templates
	$(PYTHON) manage.py makemigrations --check --dry-run
	$(PYTHON) -m pytest -q tests/test_architecture.py tests/test_readme.py

bench: setup ## benchmarks with printed figures; ARGS are delivery's
	@$(PYTHON) -m tests.scale $(ARGS)
	@$(PYTHON) -m tests.scale.pages
	@$(PYTHON) -m tests.scale.messages --messages 1000000
	@$(PYTHON) -m tests.scale.explain
	@$(PYTHON) -m tests.scale.runs
	@$(PYTHON) -m tests.scale.rules --contacts 300000
	@$(PYTHON) -m tests.scale.imports

storm: setup ## the long fault runs: 20,000 mails, 1,000 kills
	@$(PYTHON) -m pytest -m storm tests/faults -s $(ARGS)

audit: setup ## the long compliance audit: 20,000 contacts, three simulated years of nights
	@$(PYTHON) -m tests.audit $(ARGS)

lock: setup ## remake requirements.lock from pyproject.toml, for every Python and system at once
	@.venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --group dev --quiet pyproject.toml -o requirements.lock

# .venv/requirements.lock is the list that was installed completely. Where it is missing, an earlier set-up was
# interrupted and .venv is made anew; where it differs, only the difference is installed.
install:
	@apt=$$([ "$$(id -u)" = 0 ] || echo 'sudo ')"apt-get install -y"; \
	pythons="python3 python3.14 python3.13 python3.12 python3.11 python"; \
	for name in $$pythons; do \
	    $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    recent=$${recent:-$$name}; \
	    $$name -c 'import venv, ensurepip; ensurepip.version()' 2>/dev/null && base=$$name && break; \
	done; \
	if [ -z "$$recent" ]; then \
	    echo "The portal needs Python 3.11 or newer; here is $$(python3 --version 2>/dev/null || echo none). Install it, then try again:" >&2; \
	    echo "    $$apt python3.11 python3.11-venv" >&2; exit 1; \
	elif [ -z "$$base" ]; then \
	    echo "$$($$recent --version) lacks venv and ensurepip, which this system packs apart. Install them, then try again:" >&2; \
	    echo "    $$apt $$($$recent -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')" >&2; exit 1; \
	fi; \
	set -e; \
	echo "Installing the portal's programs into .venv, once ..."; \
	[ -f .venv/requirements.lock ] && $(PYTHON) -c pass 2>/dev/null || $$base -m venv --clear .venv; \
	rm -f .venv/requirements.lock; \
	$(PYTHON) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	index=$${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null || true)}; \
	if [ -n "$$index" ] && [ -z "$$UV_DEFAULT_INDEX$$UV_INDEX_URL" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	.venv/bin/uv pip sync --quiet --require-hashes --python $(PYTHON) requirements.lock; \
	cp requirements.lock .venv/requirements.lock
