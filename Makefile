# make demo [ARGS=--once]   the whole daemon against local stand-ins of the outside world
# make test                 style, and the tests, types and import contracts among them
# make lint                 style, types and import contracts alone
# make chaos                kill -9 hundreds of times, and every other fault in its long form
# make screens              a picture of every page of the console, to be looked at
# make lock                 pin the dependencies anew
#
# Needs make and Python >= 3.11, nothing else. PYTHON=python3.12 chooses another one.
# Tests of pages want Chromium: it is installed where that is allowed. Those of alert rules want
# promtool, those of signatures xmlsec1, those of signing in at an identity provider node and npm.
# What is missing is skipped loudly; with CI=true it is installed or fails.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test browser style lint screens bench chaos lock clean

demo: $(STAMP)
	@$(BIN)/alertd demo $(ARGS)

test: style browser
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

browser: $(STAMP)
	@$(BIN)/python -m tests.console.chromium

style: $(STAMP)
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .

lint: style
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

screens: browser
	@ALERTD_SCREENS=build/screens $(BIN)/python -m pytest tests/console -k "axe or journeys" $(ARGS)
	@echo "Look at every picture in build/screens"

bench: $(STAMP)
	@$(BIN)/python -m tests.benchmarks $(ARGS)

chaos: $(STAMP)
	@$(BIN)/python -m pytest -m chaos -s --no-header -q $(ARGS)

lock: $(STAMP)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--no-header --no-annotate --quiet --upgrade --output-file requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "alertd needs Python 3.11 or later: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV), once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

clean:
	rm -rf $(VENV) var build dist
