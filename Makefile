# Each target does its own set-up: a virtual environment in .venv and the package in it, anew when pyproject.toml has
# changed. Needed are make and Python 3.11 or newer; PYTHON names another one: make test PYTHON=/opt/python/bin/python3

PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check

help:
	@echo 'make demo    the paper'"'"'s central claim on real images, about four minutes on two cores; see runs/degradation'
	@echo 'make test    the tests of the default tier'
	@echo 'make check   formatting, lint, types, and whether the documents say what results do'

demo: $(VENV)/installed
	$(BIN)/resnets reproduce degradation

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m resnets.documents --check

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'No Python 3.11 or newer with its venv module was found. Install one' \
		'(Debian, Ubuntu: apt install python3 python3-venv), or name it: make demo PYTHON=/path/to/python3' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Installed for use, and for development (which is both). PyTorch and what it needs are some gigabytes, a few minutes.
$(VENV)/installed: pyproject.toml $(BIN)/python
	$(BIN)/python -m pip install -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml $(BIN)/python
	$(BIN)/python -m pip install -e '.[dev]'
	@touch $(VENV)/installed $@
