#!/bin/sh
# Run every benchmark, one after the other: side by side they would measure each other.
set -u
cd "$(dirname "$0")/.."
for file in bench/*.py; do
    [ -e "$file" ] || continue
    printf '\n== %s\n' "$file"
    .venv/bin/python "$file" || printf '%s\n' "$file did not finish (exit $?)" >&2
done
