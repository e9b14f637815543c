#!/bin/sh
# The checks that need no test: style, formatting, types. Stops at the first that fails.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
