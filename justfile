# The checks that CI runs, one by one. `just` alone lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]

_list:
    @"{{ just_executable() }}" --list --unsorted

# Install everything into .venv and turn the commit hook on
setup:
    git config core.hooksPath .githooks
    uv sync --all-packages --all-extras

# Run what must pass before a commit: lint, types, test
check: lint types test

# Run the tests; arguments go to pytest, as in `just test tests/core -k drag`
test *arguments:
    uv run --all-packages pytest {{ arguments }}

# Run the heavy tests, which `just test` leaves out
slow:
    uv run --all-packages pytest -m slow

# Check style and format
lint:
    uv run --all-packages ruff check
    uv run --all-packages ruff format --check

# Repair style and format
fix:
    uv run --all-packages ruff check --fix
    uv run --all-packages ruff format

# Check types
types:
    uv run --all-packages mypy

# Check the types of the modules that browsers load
web:
    .ci/run web

# Build the docs site into site/, warnings are errors
docs:
    uv run --all-packages zensical build --strict

# Write the reference pages that come from the code
reference:
    uv run --all-packages python tools/docs_reference.py

# Write the pictures of the tour of the studio; look at them
pictures:
    uv run --all-packages python tools/docs_studio.py

# Show the docs site while writing
docs-serve:
    uv run --all-packages zensical serve

# Build the wheels and test them outside the workspace, with the plugin template
wheels:
    .ci/run wheels

# Run the plugin template's own tests
template:
    #!/usr/bin/env bash
    set -euo pipefail
    # Not `uv run --with`, which looks for kinema on the index.
    folder="$(mktemp -d)"
    trap 'rm -rf "$folder"' EXIT
    uv pip install --quiet --no-deps --target "$folder" ./examples/plugin-template
    PYTHONPATH="$folder" uv run --all-packages pytest examples/plugin-template/tests

# Time signal production, preview, parsing and discovery
bench *arguments:
    uv run --all-packages pytest tests/benchmarks --benchmark-enable --benchmark-only {{ arguments }}

# Cut the index addresses out of uv.lock, as the commit hook does
lock:
    uv lock
    uv run --no-project python tools/lock.py

# Run everything that CI runs, or the named stages
ci *stages:
    .ci/run {{ stages }}
