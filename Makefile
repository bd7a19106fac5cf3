# `make run` and `make test` need Python 3.11 or later and make; `make check` also needs npm, for buf.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUF := node_modules/.bin/buf
PROTOS := $(wildcard proto/chengxin/*/v1/*.proto)

# Each of a suite's processes would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-long test-rounds test-all check bench generate docs lock clean

run: $(VENV)/.runtime
	$(BIN)/python -I chengxin_cli/suite/pdeathsig.py $(BIN)/chengxin up --demo

# Two at a time, by files and in the order of tests/conftest.py.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

test: $(VENV)/.dev
	$(PYTEST) -m "not long and not compose and not rounds"

# What `make test` leaves out, but for `test-rounds`: minutes each, or a container engine.
test-long: $(VENV)/.dev
	$(PYTEST) -m "long or compose"

# Half an hour of deliveries that are broken off, half an hour of everything at once (CHENGXIN_SOAK_MINUTES), and an hour
# of calls made from the description.
test-rounds: $(VENV)/.dev
	$(BIN)/python -m pytest -m rounds

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest

bench: $(VENV)/.dev
	$(BIN)/python -m bench

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(BIN)/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	touch $@

$(BUF): package.json package-lock.json
	npm ci --silent
	touch $@

check: $(VENV)/.dev $(BUF)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy chengxin chengxin_cli services gateway demo deploy $(wildcard tools/*.py)
	$(BIN)/bandit -q -r chengxin chengxin_cli services gateway demo deploy -c pyproject.toml
	$(BUF) lint proto
	$(BUF) format --diff --exit-code proto
	tools/check_breaking $(BUF)
	tools/generate --check
	$(BIN)/python tools/check_regulation.py
	$(BIN)/python tools/check_promises.py
	$(BIN)/python tools/check_secrets.py
	$(BIN)/python tools/list_errors.py --check
	$(BIN)/python tools/list_acts.py --check
	$(BIN)/python tools/list_bounds.py --check
	$(BIN)/python tools/list_powers.py --check
	$(BIN)/python tools/list_storage.py --check
	$(BIN)/python tools/check_documents.py
	$(BIN)/python tools/check_names.py
	$(BIN)/python tools/check_signals.py

# Protos to Python, with the tools of the lock file.
generate: $(VENV)/.dev
	tools/generate

# Documents that are made from the code.
docs: $(VENV)/.dev
	$(BIN)/python tools/list_errors.py
	$(BIN)/python tools/list_acts.py
	$(BIN)/python tools/list_bounds.py
	$(BIN)/python tools/list_powers.py
	$(BIN)/python tools/list_storage.py
	$(BIN)/python -m services.objection --guideline > docs/objection-guideline.md

# Exact versions of everything, from pyproject.toml.
lock: $(BIN)/python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile -q --upgrade pyproject.toml --extra embedded --prerelease if-necessary-or-explicit --no-header --no-annotate --no-emit-find-links -o requirements.lock
	$(BIN)/uv pip compile -q --upgrade pyproject.toml --extra embedded --extra dev --prerelease if-necessary-or-explicit -c requirements.lock --no-header --no-annotate --no-emit-find-links -o requirements-dev.lock

clean:
	rm -rf $(VENV) node_modules build
