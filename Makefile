# `make demo` shows the tool at work, `make test` is the one check. Both need only Python 3.11 or newer with venv.
# PYTHON=python3.13 chooses the interpreter of a new venv, PYTEST_ARGS='-k name' goes to pytest. NEWEST=1 takes the newest
# of everything instead of what is locked, into a venv of its own.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

PYTHON ?= python3
PYTEST_ARGS ?=
MUTANTS_ARGS ?=
NEWEST ?=
OLDER ?=
VENV := $(if $(NEWEST),.venv-newest,.venv)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LOCKS := .ci/requirements
# Processes that tests start find their modules compiled, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE
# Each worker begins with a half of its own, so that what tests share is rarely made twice.
WORKERS := -n 2 --dist worksteal
COVERAGE := --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

.PHONY: help demo rehearsal test lint types imports unit schemas golden docs bench dialects soak mutants lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# One venv; what is installed in it, and from which lock, says a stamp for each extra. Only what the lock has is run, also
# to build the project: no wheel is built here but its own, with the hatchling of the lock.
ifeq ($(NEWEST),)
$(VENV)/.installed-%: pyproject.toml $(LOCKS)/%.txt
	@echo "Installing reconciler[$*] into $(VENV), from $(LOCKS)/$*.txt ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes --only-binary :all: --requirement $(LOCKS)/$*.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PIP) check
	@touch $@
else
# Each time, for what is the newest changes.
$(VENV)/.installed-%: FORCE
	@echo "Installing reconciler[$*] into $(VENV), the newest of everything ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade --upgrade-strategy eager --editable '.[$*]'
	@touch $@
endif

FORCE:

# A copy in a temporary folder, so that each run starts from nothing and leaves nothing. The second plan would
# end with 2, and so stop the demo, if a step were left to do.
demo: $(VENV)/.installed-embedded ## Validate, plan, apply, plan again and look, on the embedded server
	@set -eu; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	mkdir "$$work/examples"; cp -R examples/quickstart "$$work/examples/"; \
	export PATH="$(CURDIR)/$(BIN):$$PATH"; cd "$$work"; unset CI $${!RECONCILER_@}; \
	run() { printf '\n$$ %s\n' "$$*"; "$$@"; }; \
	run reconciler validate examples/quickstart; \
	run reconciler plan examples/quickstart; \
	run reconciler apply --auto-approve examples/quickstart; \
	run reconciler plan --detailed-exitcode examples/quickstart; \
	run reconciler status examples/quickstart

# In a temporary folder, too.
rehearsal: $(VENV)/.installed-embedded ## Rehearse a rollout to 500 simulated gateways in one night
	@set -eu; unset CI $${!RECONCILER_@}; $(BIN)/python examples/rehearsal/rehearse.py

test: lint types imports unit ## The one check: all of the next four

lint: $(VENV)/.installed-dev ## Lint, and check the format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.installed-dev ## Check the types, strictly
	$(BIN)/mypy

imports: $(VENV)/.installed-dev ## Check that imports point along the way through the code
	$(BIN)/lint-imports

unit: $(VENV)/.installed-dev ## Run the tests with the coverage gate; warnings are errors
	$(BIN)/pytest $(WORKERS) -m 'not soak' $(COVERAGE) $(PYTEST_ARGS)

schemas: $(VENV)/.installed-dev ## Rewrite the schemas of what we write from the types that it is made of
	$(BIN)/pytest -q tests/schemas --update-golden
	@git status --short schemas

golden: $(VENV)/.installed-dev ## Rewrite the golden files from what the code says now
	$(BIN)/pytest $(WORKERS) -m 'not soak' --update-golden $(PYTEST_ARGS)
	@git status --short tests/golden schemas docs/coverage.md docs/reference tests/contract/wire/cassettes

docs: $(VENV)/.installed-dev ## Build the site of the documentation into build/docs; warnings are errors
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

bench: $(VENV)/.installed-bench ## Measure against floors and peers, and write the table in docs/benchmarks.md
	$(BIN)/python -m benchmarks --write docs/benchmarks.md

dialects: $(VENV)/.installed-dev ## Run scenarios and properties against every dialect of the server
	@set -eu; for dialect in spring bare strings terse silent; do echo "$$dialect"; \
	  DIALECT=$$dialect $(BIN)/pytest -q -n 2 tests/scenarios tests/properties $(PYTEST_ARGS); done

# SOAK_RUNS=2000 runs, the first with SOAK_SEED=0; a run that fails says how to repeat it.
soak: $(VENV)/.installed-dev ## Random worlds under faults and kills, too long for every check
	$(BIN)/pytest -q -n auto -m soak tests/soak tests/fuzz $(PYTEST_ARGS)

# MUTANTS=300 of them, chosen by SEED=0; ONLY='id …' tries those again, TESTS='tests/diff …' asks fewer tests.
mutants: $(VENV)/.installed-dev ## How many seeded bugs of the core do the tests notice?
	$(BIN)/python -m tests.mutants --number $${MUTANTS:-300} --seed $${SEED:-0} --only "$${ONLY:-}" \
	  --tests "$${TESTS:-tests}" $(MUTANTS_ARGS)

# OLDER='sphinx' lets the version of a package go down. The tools are the newest, in a venv for just this.
lock: ## Renew the locks: the newest versions that fit pyproject.toml
	@set -eu; home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; $(PYTHON) -m venv "$$home"; \
	"$$home/bin/python" -m pip install --quiet --disable-pip-version-check packaging uv; \
	"$$home/bin/python" .ci/renew_locks.py $(OLDER)

clean: ## Remove the venvs and all that the other targets leave behind
	rm -rf .venv .venv-newest build dist htmlcov .coverage .coverage.* .*_cache .hypothesis *.egg-info
	find reconciler tests -name __pycache__ -type d -prune -exec rm -rf {} +
