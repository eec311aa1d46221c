# What one does here, one word each. `make help` lists them.

PYTHON ?= python3
BIN := .venv/bin
# Many tests wait for real nodes, so one more than the cores that are usual; one file stays in one process.
WORKERS ?= 3
PATHS := schemas federation node tests wsgi.py deploy

.DEFAULT_GOAL := help
.PHONY: help demo test check fix docs bench faults mutation texts migration manual browser

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

demo: .venv/base ## three organisations on this machine; Ctrl-C ends them
	$(BIN)/parvis demo

test: .venv/test browser ## all tests, then what `check` does
	$(BIN)/pytest -n $(WORKERS) --dist loadfile
	$(MAKE) --no-print-directory check

check: .venv/test ## style, types, the contracts of the house, the texts: what must be green beside the tests
	$(BIN)/ruff format --check $(PATHS)
	$(BIN)/ruff check $(PATHS)
	$(BIN)/mypy $(PATHS)
	$(BIN)/lint-imports setup.cfg

fix: .venv/test ## format, and mend what ruff can mend
	$(BIN)/ruff check --fix $(PATHS)
	$(BIN)/ruff format $(PATHS)

docs: .venv/docs ## the whole manual as a site, into var/docs
	$(BIN)/mkdocs build --strict --site-dir var/docs

bench: .venv/test ## two nodes under load; prints JSON
	$(BIN)/python -m tests.benchmarks $(BENCH)

faults: .venv/test ## crashes, partitions, permutations: 25 minutes at most; prints JSON
	$(BIN)/python -m tests.faults $(FAULTS)

mutation: .venv/mutation ## do the tests see a check that is changed? An hour at most; one module: make mutation MUTATION=federation.proofs
	nice -n 10 $(BIN)/python -m tests.mutation $(MUTATION)

texts: .venv/test ## gather the texts for translation, and compile the catalogues (both are committed)
	$(BIN)/pybabel -q extract -F node/babel.cfg -k _later -k lazy_gettext --ignore-dirs ".*" --add-location=file --no-wrap -o var/messages.pot node
	$(BIN)/pybabel -q update -l fr --no-fuzzy-matching --no-wrap --ignore-obsolete -i var/messages.pot -d node/translations
	$(BIN)/pybabel -q compile -d node/translations

migration: .venv/test ## a migration from the tables in the code: make migration MESSAGE="Add the column x."
	$(BIN)/parvis migration "$(MESSAGE)"
	$(BIN)/ruff format -q node/core/migrations/versions

manual: .venv/test ## the pages of the manual that are made from the code (committed)
	$(BIN)/parvis manual docs/reference
	$(BIN)/python -m tests.docs.examples

# The system's own Chromium: only root can install it, and only where it is missing.
browser:
	@command -v chromium >/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y chromium fonts-dejavu-core >/dev/null; \
	} || echo "There is no chromium, and it cannot be installed here: tests in a browser are skipped."

# Debian's python3 has no venv of its own; virtualenv, in a folder of ours, does the same.
.venv/bin/python:
	$(PYTHON) -m venv .venv >/dev/null 2>&1 || { \
		rm -rf .venv && $(PYTHON) -m pip install -q --target var/virtualenv virtualenv \
		&& PYTHONPATH=var/virtualenv $(PYTHON) -m virtualenv -q .venv; \
	}

.venv/base: setup.cfg pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

.venv/test: setup.cfg pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test,postgres]'
	@touch $@ .venv/base

.venv/mutation: .venv/test
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[mutation]'
	@touch $@

.venv/docs: setup.cfg pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[docs]'
	@touch $@
