# make demo       installs what is missing into .venv and runs the demonstration
# make test       the same for all tests; JOBS=8 runs them in eight processes
# make test-fast  those of three minutes: none that is slow or needs a real manager or a GPU
# make lint       ruff, mypy
# make bench      what is missing of the benchmarks, and docs/results.md; OUT=folder begins anew
PYTHON ?= python3
VENV := .venv
JOBS ?= 2
DATA ?= ../shared/data
OUT ?= benchmarks/results
RENDERED := $(if $(filter benchmarks/results,$(OUT)),docs,$(OUT))

.PHONY: demo test test-fast sound lint bench clean

demo: $(VENV)/.installed
	@echo 'Starting the demonstration; PyTorch and NNI take some seconds to load.'
	@$(VENV)/bin/nni-rankreg demo

test: sound
	$(VENV)/bin/python -m pytest -n $(JOBS) $(OPTIONS)

test-fast: sound
	$(VENV)/bin/python -m pytest -n $(JOBS) -m 'not slow and not manager and not gpu' $(OPTIONS)

# Tools of yours go elsewhere than into .venv: what they install may be too new for NNI.
sound: $(VENV)/.installed-test
	@$(VENV)/bin/python -m pip --disable-pip-version-check check

lint: $(VENV)/.installed-test
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy

bench: $(VENV)/.installed-test
	$(VENV)/bin/python benchmarks/suite.py --data $(DATA) --out $(OUT)
	$(VENV)/bin/python benchmarks/render.py --results $(OUT) --out $(RENDERED)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo 'Expected Python 3.10 or later, got:'; $(PYTHON) --version; \
	      echo 'Name another one: make PYTHON=python3.11 ...'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo 'Installing PyTorch, NNI and the package into $(VENV); this takes some minutes once.'
	$(VENV)/bin/python -m pip install --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(VENV)/bin/python -m pip install --disable-pip-version-check --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .hypothesis .coverage
