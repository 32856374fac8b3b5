#!/bin/sh
# Makes the environments of contestants from their lock files, and does nothing where that has been done.
#
#     sh benchmarks/setup.sh                   .venv-bench, with Daft and Ray
#     sh benchmarks/setup.sh datalab fastdup   .venv-bench-datalab, with cleanlab's Datalab, and .venv-bench-fastdup
set -eu
cd "$(dirname "$0")/.."

make_environment() {
    lock=benchmarks/requirements$1.lock
    environment=.venv-bench$1
    cmp -s "$lock" "$environment/requirements.lock" && return
    .venv/bin/python -m venv --clear "$environment"
    "$environment/bin/python" scripts/install_lock.py "$lock"
    cp "$lock" "$environment/requirements.lock"
}

[ $# -gt 0 ] || make_environment ""
for name; do make_environment "-$name"; done
