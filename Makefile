# leadloop: one word a target. `make` alone lists them.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(if $(shell command -v $(p) 2>/dev/null),$(p))))
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo serve test nightly check bench docs lock bench-quality bench-leaks bench-judging bench-memory bench-attribution bench-contract bench-slow bench-serve bench-shadow bench-features soak

help:  ## list these targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

# The lock names every package with its hash and no index: any mirror serves it.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "leadloop needs Python 3.11 or later; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

install: $(READY)  ## create .venv from the lock

demo: $(READY)  ## the whole loop on a synthetic world; ARGS=--no-wait stops the service at the end
	$(BIN)/leadloop demo $(ARGS)

serve: $(READY)  ## serve the champion on LEADLOOP_HOST:LEADLOOP_PORT
	$(BIN)/leadloop serve $(ARGS)

# A file's tests share trained models and servers, so they stay on one core.
test: $(READY)  ## run the whole suite, on all cores
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

nightly: $(READY)  ## the property tests of features with 2,000 examples each
	LEADLOOP_HYPOTHESIS=nightly $(BIN)/python -m pytest tests/features --timeout 7200 $(ARGS)

check: $(READY)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: bench-quality bench-leaks bench-judging bench-memory bench-attribution bench-contract bench-slow bench-features bench-serve bench-shadow  ## all benchmarks; hours

bench-quality: $(READY)  ## log loss on real sets in time order, next to baselines
	$(BIN)/python -m benchmarks.quality

bench-leaks: $(READY)  ## leak probes on real sets with every column left in, on noise and on the synthetic firm
	$(BIN)/python -m benchmarks.leaks

bench-judging: $(READY)  ## A/A challengers, losses in a row, churn of grades
	$(BIN)/python -m benchmarks.judging

bench-memory: $(READY)  ## peak memory of a training on 1,000,000 rows
	$(BIN)/python -m benchmarks.memory

bench-attribution: $(READY)  ## seconds for seven attribution rules on 1,000,000 touchpoints
	$(BIN)/python -m benchmarks.attribution

bench-contract: $(READY)  ## 5,000 invented requests against each document of the API
	$(BIN)/python -m benchmarks.contract $(ARGS)

bench-slow: $(READY)  ## 99th percentile of scores beside 600 callers that send slowly
	$(BIN)/python -m benchmarks.slow_clients $(ARGS)

bench-serve: $(READY)  ## the service under load beside empty BentoML, FastAPI + pipeline and mlflow models serve; needs wrk
	$(BIN)/python -m benchmarks.serve $(ARGS)

bench-shadow: $(READY)  ## what a challenger in shadow costs the answers; needs wrk
	$(BIN)/python -m benchmarks.shadow $(ARGS)

# The tools leadloop is compared with need an older pandas: they get an environment of their own.
.venv-bench/.ready: benchmarks/requirements.lock
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/requirements.lock
	@touch $@

bench-features: $(READY) .venv-bench/.ready  ## features beside DuckDB, Polars, pandas, Featuretools and Spark; ARGS="--sizes 1 5"
	$(BIN)/python -m benchmarks.features $(ARGS)

soak: $(READY)  ## twenty minutes of load with faults, on PostgreSQL with a remote registry; ARGS="--minutes 20"
	$(BIN)/python -m benchmarks.soak $(ARGS)

docs: $(READY)  ## write the generated pages of docs/
	$(BIN)/python -m docs.generate

lock: $(READY)  ## renew requirements.lock (needs uv on the PATH)
	uv pip compile pyproject.toml --extra dev --extra notebooks --extra postgres --extra adbc --universal --python-version 3.11 \
	  --generate-hashes --no-header -o requirements.lock
	uv pip compile benchmarks/requirements.in --universal --python-version 3.11 --generate-hashes --no-header \
	  -o benchmarks/requirements.lock
