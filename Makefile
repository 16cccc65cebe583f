# Grid on one machine. Needs Python 3.11 or newer and make, nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

# Another way to run the service has targets of its own; `make up STACK=compose` runs it in containers.
ifeq ($(STACK),compose)
include infra/compose.mk
else

.PHONY: help up down build test test-faults test-docker test-physics test-page-long try-slow-start bench-engine bench-engineers bench-page check lint lint-code lint-page format migrate logs clean bench lock base scale dev page

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

base:
	@$(PYTHON) scripts/install.py base
scale:
	@$(PYTHON) scripts/install.py scale
dev:
	@$(PYTHON) scripts/install.py dev

# With STACK=services: PostgreSQL, Redis and a Celery worker as processes of this machine; GRID_FLOWER=1 adds Flower.
up: $(if $(filter services,$(STACK)),dev,base) ## Install, migrate, start server and worker, run the sample job and a sweep
	@$(BIN)/grid up $(if $(filter services,$(STACK)),--stack services)

down: ## Stop what `make up` started
	@if [ -x $(BIN)/grid ]; then $(BIN)/grid down; else echo "Nothing runs: .venv is not there."; fi

page: base ## Build the web page (`make up` and `make build` do it too)
	@$(BIN)/python scripts/page.py build

build: dev ## Build the wheel and the source distribution into dist/
	@$(BIN)/python -m hatchling build -d dist

test: dev ## Run every test, with coverage (PostgreSQL from a wheel)
	@BIN=$(BIN) scripts/test.sh

test-faults: dev ## The long form of the fault suite, of the ledgers' models and of random requests
	@$(PYTEST) -m faults --timeout 1800 -n 0 tests/faults
	@GRID_HISTORIES=$${GRID_HISTORIES:-2000} GRID_SCHEMATHESIS_EXAMPLES=$${GRID_SCHEMATHESIS_EXAMPLES:-2100} \
	  $(PYTEST) -n 2 --dist load $(addprefix tests/integration/,test_ledger_model.py test_live_model.py test_schemathesis.py)

test-docker: dev ## Programs in containers on a real Docker engine: what they may do, and how each of them ends
	@$(PYTEST) -m docker -n 0 tests/docker

test-physics: dev ## The long form of the engine's suites: laws on random problems, certificates, fuzzed problems
	@$(PYTEST) -m physics --timeout 3600 -n 2 --dist worksteal tests/unit/engine tests/validation

test-page-long: dev page ## Half an hour of an open page: its heap may grow by 1 MB an hour at most (MINUTES=30)
	@$(BIN)/python -m benchmarks.page --open $${MINUTES:-30}

try-slow-start: ## `make up` from two fresh clones as on a slow machine, with an empty cache (minutes to an hour)
	@$(PYTHON) scripts/slow_start.py

bench-engine: dev ## The engine beside its peers, each peer in an environment of its own
	@$(BIN)/python -m benchmarks.engine

bench-engineers: dev ## Engineers' problems by solve() beside peers by hand, and estimates beside measured times
	@$(BIN)/python -m benchmarks.engineers

bench-page: dev page ## The web page in Chromium beside a bare React page (needs `python3 scripts/page.py npm ci`)
	@$(BIN)/python -m benchmarks.page

# Packages whose tests on SQLite compile no kernel and start no process.
QUICK := $(addprefix tests/unit/,test_docs_paths.py test_imports.py client core database schemas services utils)

check: dev lint ## Lint, and the quick tests: what to run before each commit
	@$(PYTEST) -q -n 2 --dist loadfile -m "not postgres" $(QUICK)

lint: dev ## Ruff, mypy, import contract; types, lint, tests and size of the web page
	@$(MAKE) --no-print-directory -j2 -O lint-code lint-page

lint-code:
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

lint-page:
	@$(BIN)/python scripts/page.py check

format: dev ## Format the code
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

migrate: base ## Bring the database to this version
	@$(BIN)/grid db upgrade

logs: ## Follow the logs of server and worker
	@$(BIN)/grid logs --follow

bench: dev ## Print the figures of README's performance table, each beside one of the same run
	@$(BIN)/python -m benchmarks

lock: dev ## Renew the hashed lock files
	@scripts/lock.sh

clean: down ## Remove .venv, caches and built files; the data in .grid stays
	@rm -rf .venv .cache src/grid/api/page ui/node_modules dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
endif
