# Everything a person does with this project, on a machine with Python 3.11, make and git.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
FILE :=
BIN := $(VENV)/bin

# An empty variable is as one that is not set.
ifeq ($(strip $(RAG_HOME)),)
override RAG_HOME := $(CURDIR)/.rag
endif
ifeq ($(strip $(DAGSTER_HOME)),)
override DAGSTER_HOME := $(RAG_HOME)/dagster
endif
ifeq ($(strip $(RAG_REPORTS_URL)),)
override RAG_REPORTS_URL := http://127.0.0.1:3001
endif
export RAG_HOME DAGSTER_HOME RAG_REPORTS_URL
export DAGSTER_DISABLE_TELEMETRY := yes
# Nothing is compiled while it is installed, so the first command that imports a module has to keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help env dev-env ray-env azure-env refresh dev query status test test-slow durations check fix mutants snapshot docs docs-commands pictures clean

help:                 ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/ —/' | column -t -s '—'

env: $(VENV)/.ready   ## create the environment that runs the pipeline (a few minutes, once)

dev-env: $(VENV)/.dev-ready ## add what the tests and the checks need (`make test` and `make check` do it by themselves)

# torch first: the CPU build, where it can be had. Python compiles what a command imports when it first does, and that is little of it.
$(VENV)/.ready: pyproject.toml constraints.txt deploy/install_torch.sh
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("Python 3.11 to 3.13 is needed, and $(PYTHON) is %d.%d: make PYTHON=python3.12 $(or $(MAKECMDGOALS),env)" % v)'
	@echo "Creating the environment in $(VENV): a minute or more on two free cores, as the network is, and 2.5 GB, once. pip is silent meanwhile."
	$(PYTHON) -m venv $(VENV)
	deploy/install_torch.sh $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check --no-compile -c constraints.txt -e .
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.ready
	$(BIN)/pip install -q --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	@touch $@

refresh: env          ## run the whole pipeline once and say what was promoted
	$(BIN)/rag refresh

dev: env              ## open the Dagster UI on http://127.0.0.1:3000; its links to reports lead to port 3001
	DAGSTER_HOME="$$($(BIN)/python -m rag_pipeline.defs.home)" && export DAGSTER_HOME && \
	{ $(BIN)/rag report --serve & trap "kill $$! 2>/dev/null" EXIT; $(BIN)/dg dev --host 127.0.0.1; }

status: env           ## what serves, and how old each source is
	$(BIN)/rag status

# FILE is a file, a folder, or one test (tests/x.py::test_y); what is slow in it runs too.
test: dev-env         ## the tests (minutes); `make test FILE=tests/x.py` runs only that
ifeq ($(strip $(FILE)),)
	$(BIN)/pytest -m "not slow" -n 2 --dist worksteal
else
	$(BIN)/pytest $(FILE)
endif

test-slow: dev-env    ## fault and scale tests as well (longer)
	$(BIN)/pytest -m slow

durations: dev-env    ## measure how much work each test is, and keep it in tests/durations.json
	$(BIN)/pytest -m "not slow" -n 2 --dist worksteal -p tests.support.durations
	$(BIN)/python -m tests.support.durations

check: dev-env        ## ruff, mypy (strict; tests too), import-linter, workflows, containers, promises of the contracts, snapshot of the definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/change.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/rag contract diff
	$(BIN)/pytest tests/defs/test_snapshot.py tests/deploy/test_cluster.py

azure-env: dev-env    ## add Azurite, Microsoft's server of Azure's store, for the tests of a home in it (npm)
	npm install --silent --no-fund --no-audit --prefix $(VENV)/azurite azurite@3.35.0

ray-env: dev-env      ## add Ray, for the slow tests that start a cluster (324 MB)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[ray]'

mutants: dev-env      ## do the tests notice faults in the code that decides (hours; docs/mutants.md)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[mutants]'
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/mutmut run --max-children 1 $(MUTANTS)
	$(BIN)/python -m benchmarks.mutants

fix: dev-env          ## let ruff repair and format what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

snapshot: dev-env     ## accept changed definitions: writes tests/defs/snapshot.json
	UPDATE_SNAPSHOT=1 $(BIN)/pytest tests/defs/test_snapshot.py

docs-commands: dev-env ## write the sections of docs/commands.md from the commands themselves
	$(BIN)/python -m tests.support.command_pages

docs: dev-env         ## build the site of the documentation into site/; a broken link is an error
	$(BIN)/python -m sphinx -q -W --keep-going -c docs/.site -d site/.doctrees docs site

pictures: dev-env     ## take the pictures of README.md again (needs chromium), and look at them
	PICTURES=1 $(BIN)/pytest tests/ui/test_pictures.py

clean:                ## remove what the pipeline made in .rag (releases and all); the environment stays
	$(BIN)/python -m rag_pipeline.release.clear_out .rag
