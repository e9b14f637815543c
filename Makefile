# Two commands from a fresh clone: `make up` runs the hub, `make test` runs every test.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PY := .venv/bin/python
PARALLEL := --numprocesses auto --dist loadfile

.PHONY: help up test test-fast lint bench soak

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 12

up:  ## set up what is needed and run the hub here, Ctrl-C ends it (ARGS="--port 8000" …)
	@scripts/venv.sh hub
	@exec .venv/bin/heliograph hub $(ARGS)

test: dev  ## every check and every test, the real Claude Code's and the browser's included
	@scripts/test_tools.sh
	@scripts/lint.sh
	@$(PY) -m pytest $(PARALLEL)

test-fast: dev lint  ## the same without the real Claude Code and the browser
	@$(PY) -m pytest $(PARALLEL) -m "not real_client and not browser"

lint: dev  ## ruff and mypy
	@scripts/lint.sh

bench: dev  ## print the figures of bench/; none of them fails the run
	@scripts/bench.sh

soak: dev  ## faults at random for MINUTES=10, repeatable by SEED=…; prints what was sent, lost, twice
	@$(PY) -m tests.faults.soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

.PHONY: dev
dev:
	@scripts/venv.sh dev
