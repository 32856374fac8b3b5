# Needs Python 3.11 to 3.13 and make; everything else, Java included, comes with `make setup` and `make setup-dev`, which the
# targets run when they are due.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev

export KEDRO_DISABLE_TELEMETRY := 1

.PHONY: help setup setup-dev demo demo-photos viz viz-site test test-unit test-runs test-slow test-browser fuzz bench lint \
	format lock clean package test-cluster test-aarch64

help:  ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

setup: $(READY)  ## Make .venv with what a run needs (4 GB, of which 1.4 GB are downloaded; two to eight minutes)

# Each environment installs by its own Python; scripts/install_lock.py says why pip alone is not enough.
$(READY): requirements.lock requirements-build.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 on PATH: install one, or say make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python scripts/install_lock.py --takes "1.4 GB to download, 4 GB on disk, one to seven minutes" \
		--editable . requirements-build.lock requirements.lock
	@$(BIN)/python scripts/archive_classes.py
	@touch $@

setup-dev: $(DEV_READY)  ## Add what tests, lint, benchmarks and the notebook need (0.4 GB more, half a minute)

$(DEV_READY): $(READY) requirements-dev.lock
	@$(BIN)/python scripts/install_lock.py --takes "0.1 GB to download, 0.4 GB on disk, half a minute" requirements-dev.lock
	@touch $@

demo: $(READY)  ## Run the whole mission on the bundled sample, without network
	$(BIN)/kedro run --env demo

SOLAR_CELLS := data/01_raw/solar_cells

demo-photos: $(READY)  ## The same on 2,624 real photos of solar cells (downloads 91 MB, CC BY-NC-SA)
	$(BIN)/python scripts/fetch_solar_cells.py --out $(SOLAR_CELLS)
	$(BIN)/kedro run --env demo --params images_root=$(SOLAR_CELLS),output_root=data/solar_cells

VIZ := PYTHONWARNINGS='ignore:ORJSONResponse is deprecated' $(BIN)/kedro viz

viz: $(READY)  ## Open Kedro-Viz
	$(VIZ) run

viz-site: $(READY)  ## Write Kedro-Viz, with its plots and tables, as a static site into build/
	@rm -rf build
	$(VIZ) build --include-previews
	@test -f build/api/main || { echo "Kedro-Viz has built no site."; exit 1; }
	@echo "To look at it: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build 8000"
	@echo "and open http://127.0.0.1:8000 in a browser."

WHOLE_RUNS := tests/crashes tests/pages tests/runs

test: $(DEV_READY)  ## Run the tests but those of whole runs, three at a time, and say how long each shelf took
	$(BIN)/python -m pytest -n 3 --dist loadfile $(addprefix --ignore=,$(WHOLE_RUNS))

test-unit: $(DEV_READY)  ## Run the tests that need nothing but Python, in seconds
	$(BIN)/python -m pytest tests/unit

test-runs: $(DEV_READY)  ## Run the project as users do, in whole and in part, kill it, and follow its pages
	$(BIN)/python -m pytest -n 3 --dist loadfile $(WHOLE_RUNS)

test-slow: $(DEV_READY)  ## Run the tests that take minutes: dozens of killed runs, long histories
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

test-browser: $(DEV_READY)  ## Look at Kedro-Viz and at the report in a real Chromium; pictures go into tests/artifacts
	$(BIN)/python -m pytest -m browser -n 2 --dist loadfile tests/browser

test-cluster: $(DEV_READY)  ## Run on YARN and S3 of its own, and break them (needs go, mvn and a JDK 17)
	$(BIN)/python -m pytest -m cluster -n 2 --dist loadfile --no-loadscope-reorder tests/cluster

test-aarch64: $(DEV_READY)  ## Run Graviton's environment on an emulated processor (Linux, as root; needs QEMU and debootstrap)
	$(BIN)/python -m pytest -m aarch64 tests/aarch64

package: $(READY)  ## Make all that a cluster needs, in dist: make package [MACHINE=aarch64] [NODE_PYTHON=/usr/bin/python3.11]
	$(BIN)/python -m fruit_features.emr.package $(if $(MACHINE),--machine $(MACHINE)) $(if $(NODE_PYTHON),--python $(NODE_PYTHON))

FUZZ_VENV := .venv-fuzz
FUZZ_SECONDS ?= 600

$(FUZZ_VENV)/.ready: tests/fuzz/requirements.lock
	$(PYTHON) -m venv --clear $(FUZZ_VENV)
	@$(FUZZ_VENV)/bin/python scripts/install_lock.py $<
	@touch $@

fuzz: $(FUZZ_VENV)/.ready  ## Search for bytes that the decoder breaks on, ten minutes or FUZZ_SECONDS=... (Linux)
	PYTHONPATH=src:. $(FUZZ_VENV)/bin/python tests/fuzz/fuzz_imaging.py $(FUZZ_SECONDS)

bench: $(DEV_READY)  ## Compare with the notebook, Daft and Ray: make bench IMAGES=folder [WEIGHTS=file]
	@test -n "$(IMAGES)" || { echo "Say which photos: make bench IMAGES=folder/of/labelled/photos [WEIGHTS=file.h5]"; exit 1; }
	sh benchmarks/setup.sh
	$(BIN)/python benchmarks/run.py --images "$(IMAGES)" $(if $(WEIGHTS),--weights "$(WEIGHTS)")

lint: $(DEV_READY)  ## Ruff, strict mypy, and the architecture's contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV_READY)  ## Let ruff fix and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

UV_COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $(UPGRADE)

# A lock that is there keeps its versions, so that `make lock` changes only what pyproject.toml asks for.
# requirements-dev.lock is resolved together with requirements.lock, by its versions, and then loses what that has.
lock:  ## Write the lock files anew (needs uv): make lock [UPGRADE=--upgrade] for the newest versions
	$(UV_COMPILE) pyproject.toml -o requirements.lock
	cat requirements.lock requirements-dev.lock > requirements-all.lock
	$(UV_COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-all.lock
	awk '/^[A-Za-z0-9]/ { name = $$0; sub(/==.*/, "", name); if (NR == FNR) has[name]; keep = !(name in has) } NR > FNR && keep' \
		requirements.lock requirements-all.lock > requirements-dev.lock
	rm requirements-all.lock
	sed -n 's/^\([A-Za-z0-9].*\) \\$$/\1/p' requirements.lock | \
		$(UV_COMPILE) benchmarks/requirements-datalab.in -c - -o benchmarks/requirements-datalab.lock
	sed -n 's/^\([A-Za-z0-9].*\) \\$$/\1/p' requirements.lock | grep -v '^pyarrow==' | \
		$(UV_COMPILE) benchmarks/requirements.in -c - -o benchmarks/requirements.lock
	$(UV_COMPILE) benchmarks/requirements-fastdup.in -o benchmarks/requirements-fastdup.lock
	$(UV_COMPILE) tests/fuzz/requirements.in -c requirements.lock -o tests/fuzz/requirements.lock
	printf 'setuptools\n' | $(UV_COMPILE) - -c requirements.lock -o requirements-build.lock

clean:  ## Remove .venv and caches; results stay
	rm -rf $(VENV) $(FUZZ_VENV) tests/fuzz/corpus .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
