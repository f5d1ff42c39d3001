# Everything a person does with this project, on a machine with Python 3.11, make and git.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
PIP_EXTRA ?=
BIN := $(VENV)/bin

# An empty variable is as one that is not set.
ifeq ($(strip $(RAG_HOME)),)
override RAG_HOME := $(CURDIR)/.rag
endif
ifeq ($(strip $(DAGSTER_HOME)),)
override DAGSTER_HOME := $(RAG_HOME)/dagster
endif
export RAG_HOME DAGSTER_HOME
export DAGSTER_DISABLE_TELEMETRY := yes

.PHONY: help env refresh dev query status test test-slow check snapshot clean

help:                 ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/ —/' | column -t -s '—'

env: $(VENV)/.ready   ## create the environment (a few minutes, once)

# torch first: a bare `torch` pulls gigabytes of CUDA, the pinned one takes the CPU build where there is one.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), "Python 3.11 to 3.13 is needed"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt $(PIP_EXTRA) torch
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

refresh: env          ## run the whole pipeline once and say what was promoted
	$(BIN)/rag refresh

dev: env              ## open the Dagster UI on http://127.0.0.1:3000
	DAGSTER_HOME="$$($(BIN)/python -m rag_pipeline.defs.home)" && export DAGSTER_HOME && $(BIN)/dg dev --host 127.0.0.1

status: env           ## what serves, and how old each source is
	$(BIN)/rag status

test: env             ## the tests (minutes)
	$(BIN)/pytest -m "not slow" -n 2 --dist worksteal

test-slow: env        ## fault and scale tests as well (longer)
	$(BIN)/pytest -m slow

check: env            ## ruff, mypy --strict, import-linter, promises of the contracts, snapshot of the definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/rag contract diff
	$(BIN)/pytest tests/defs/test_snapshot.py

snapshot: env         ## accept changed definitions: writes tests/defs/snapshot.json
	UPDATE_SNAPSHOT=1 $(BIN)/pytest tests/defs/test_snapshot.py

clean:                ## remove what the pipeline made in .rag (releases and all); the environment stays
	$(BIN)/python -m rag_pipeline.release.clear_out .rag
