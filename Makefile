# Every target sets itself up: the only things needed are Python 3.11 to 3.13 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export TZ := UTC

COMPILED := build/compiled

.PHONY: help install compiled demo test lint docs bench bench-capacity bench-detection bench-nab bench-replay calibration faults lock clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "leakline needs Python 3.11 to 3.13, and $(PYTHON) is %d.%d: name another, as in make PYTHON=python3.12" % v)'
	@# Workers may run from what is there, so it is cleared only where another Python made it.
	@[ -x $(BIN)/pip ] && [ "$$($(BIN)/python -V)" = "$$($(PYTHON) -V)" ] || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

install: $(STAMP)  ## a virtual environment with everything in it

compiled: $(COMPILED)/.installed  ## build/compiled/bin/leakline: the same with its core compiled, by a C compiler

$(COMPILED)/.installed: $(STAMP) deploy/compiled/hatch_build.py $(shell find schemas detectors pipeline -name '*.py')
	rm -rf $(COMPILED)
	HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 $(BIN)/pip wheel --quiet --no-deps --wheel-dir $(COMPILED)/wheel .
	$(PYTHON) -m venv $(COMPILED)
	@$(BIN)/python -c "import site; print(site.getsitepackages()[0])" > $(COMPILED)/packages.pth
	@mv $(COMPILED)/packages.pth "$$($(COMPILED)/bin/python -c 'import site; print(site.getsitepackages()[0])')"
	$(COMPILED)/bin/pip install --quiet --no-deps $(COMPILED)/wheel/*.whl
	@touch $@

demo: $(STAMP)  ## a simulated fleet with a leak in it, caught and revoked
	$(BIN)/leakline demo

test: $(STAMP)  ## every test, on real parts
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(STAMP)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## figures and their baselines, also left in build/bench.json
	$(BIN)/python -m tests.benchmarks

bench-capacity: $(STAMP)  ## what a fleet of any size needs, from one, two and four workers here
	$(BIN)/python -m tests.benchmarks capacity

bench-detection: $(STAMP)  ## recall and false pages on fleets not tuned on; DATA=DIR adds real clients
	$(BIN)/python -m tests.benchmarks detection $(if $(DATA),--data $(DATA))

bench-nab: $(STAMP)  ## the volume baseline's ideas under NAB's rules; DATA=DIR holds the series
	$(BIN)/python -m tests.benchmarks nab $(if $(DATA),--data $(DATA))

bench-replay: $(STAMP)  ## totals of recorded traffic in the store and by hand; DATA=DIR holds it
	$(BIN)/python -m tests.benchmarks replay $(if $(DATA),--data $(DATA))

calibration: $(STAMP)  ## renew what honest keys show (the shipped tails) from a simulated fleet
	mkdir -p build/calibration
	$(BIN)/leakline simulate --preset honest --key-count 230 --seed 70001 --events build/calibration/events.jsonl.gz --keys build/calibration/keys.jsonl
	$(BIN)/leakline calibrate --events build/calibration/events.jsonl.gz --keys build/calibration/keys.jsonl --output detectors/honest.json

faults: $(STAMP)  ## thousands of disturbed worlds, faults of the real stack, made-up input
	$(BIN)/python -m tests.faults

docs: $(STAMP)  ## renew what the docs and the README take from the source
	$(BIN)/python -m tests.architecture.reference
	$(BIN)/python -m tests.architecture.readme

lock: $(STAMP)  ## recompute requirements.lock
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache
