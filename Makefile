# `make up` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JSON ?=

# What a developer's shell sets must not change what is installed or measured.
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DAGSTER_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help up demo test fuzz check fmt docs reference lock clean storm chaos

help: ## Say what each target does
	@grep -hE '^[a-z -]+%?:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: $(STAMP) ## Start the whole platform; Ctrl-C stops it
	@$(BIN)/oco up

demo: $(STAMP) ## Run everything once from end to end (JSON=FILE writes the figures)
	@$(BIN)/oco demo $(if $(JSON),--json $(JSON))

test: $(STAMP) ## Run the whole suite, fast tests first
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

fuzz: $(STAMP) ## Send the API what its document allows and forbids (FUZZ_EXAMPLES, FUZZ_SEED)
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-300} $(BIN)/python -m pytest -q -s tests/oco_proxy/test_openapi_fuzz.py

check: $(STAMP) ## Lint, formatting, types, import rules, SQL style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/sqlfluff lint dbt_project/models dbt_project/tests

fmt: $(STAMP) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP) ## Serve dbt's pages of all models and their lineage on 127.0.0.1 (DOCS_PORT)
	@$(BIN)/oco dbt docs generate --static
	@echo "One page that needs no server: dbt_project/target/static_index.html"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory dbt_project/target $(or $(DOCS_PORT),8090)

reference: $(STAMP) ## Write the generated pages of docs/
	$(BIN)/oco reference docs

bench-%: $(STAMP) ## Run one benchmark, as in `make bench-gateway JSON=FILE`
	$(BIN)/python -m benchmarks.$(subst -,_,$*) $(if $(JSON),--json $(JSON))

storm chaos: $(STAMP) ## Break things under load and count (JSON=FILE writes the figures)
	$(BIN)/python -m tests.faults.$@ $(if $(JSON),--json $(JSON))

LOCK := $(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-header -q

lock: $(STAMP) ## Resolve the dependencies again; needs the package index
	$(LOCK) --all-extras -o requirements.lock
	$(LOCK) --extra proxy -c requirements.lock --no-annotate -o requirements/proxy.lock
	$(LOCK) --extra pipelines -c requirements.lock --no-annotate -o requirements/pipelines.lock

clean: ## Remove what `make` made in this folder; data under OCO_HOME stays
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis dbt_project/target dbt_project/logs

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed and $(PYTHON) is " + sys.version.split()[0] + ": say which to use, as in `make up PYTHON=python3.12`")'
	@echo "Installing the locked dependencies into $(VENV); the first time takes some minutes"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --progress-bar on --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
