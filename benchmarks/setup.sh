#!/bin/sh
# Makes .venv-bench, the environment of Daft and Ray, from the lock file; does nothing where that has been done.
set -eu
cd "$(dirname "$0")/.."
lock=benchmarks/requirements.lock
installed=.venv-bench/requirements.lock

cmp -s "$lock" "$installed" && exit 0
.venv/bin/python -m venv --clear .venv-bench
.venv-bench/bin/python scripts/install_lock.py "$lock"
cp "$lock" "$installed"
