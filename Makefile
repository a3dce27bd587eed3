# make demo       installs what is missing into .venv and runs the demonstration
# make test       the same for all tests; JOBS=8 runs them in eight processes
# make test-fast  those of three minutes: none that is slow or needs a real manager or a GPU
# make lint       ruff, mypy, spelling
# make docs       the site, in docs/_build/html; TUTORIALS=0 does not run the tutorials
# make bench      what is missing of the benchmarks, and docs/results; OUT=folder begins anew
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python3.10 python3.14,\
    $(shell $(name) -c '$(SUPPORTED)' 2>/dev/null && echo $(name))) python3)
VENV := .venv
JOBS ?= 2
DATA ?= ../shared/data
OUT ?= benchmarks/results
TUTORIALS ?= 1
RENDERED := $(if $(filter benchmarks/results,$(OUT)),docs,$(OUT))

.PHONY: demo test test-fast sound lint docs bench clean

demo: $(VENV)/.installed
	@echo 'Starting the demonstration; PyTorch and NNI take some seconds to load.'
	@$(VENV)/bin/nni-rankreg demo

test: sound
	$(VENV)/bin/python -m pytest -n $(JOBS) $(OPTIONS)

test-fast: sound
	$(VENV)/bin/python -m pytest -n $(JOBS) -m 'not slow and not manager and not gpu' $(OPTIONS)

# Tools of yours go elsewhere than into .venv: what they install may be too new for NNI.
sound: $(VENV)/.installed-test
	@! $(VENV)/bin/python -m pip --disable-pip-version-check check | \
	    grep -v -e '^No broken requirements' -e '^nni 3.0 has requirement typeguard<4.1.3'

lint: $(VENV)/.installed-test
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/codespell

docs: $(VENV)/.installed-test
	$(VENV)/bin/python -m sphinx --builder html --fail-on-warning --keep-going --quiet \
	    -D plot_gallery=$(TUTORIALS) docs docs/_build/html
	@echo 'Open docs/_build/html/index.html'

bench: $(VENV)/.installed-test
	$(VENV)/bin/python benchmarks/suite.py --data $(DATA) --out $(OUT)
	$(VENV)/bin/python benchmarks/render.py --results $(OUT) --out $(RENDERED)

$(VENV)/bin/python:
	@$(PYTHON) -c '$(SUPPORTED)' 2>/dev/null || { echo 'Expected Python 3.10 to 3.14, got' \
	    "$(PYTHON), $$($(PYTHON) --version 2>&1). Name another one: make PYTHON=python3.13 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# NNI wants a typeguard that Python 3.14 cannot import; its successors serve NNI as well.
INSTALL = $(VENV)/bin/python -m pip install --disable-pip-version-check --editable
NEWER_TYPEGUARD = $(VENV)/bin/python -c 'import sys; sys.exit(sys.version_info >= (3, 14))' || \
    $(VENV)/bin/python -m pip install --disable-pip-version-check --no-deps 'typeguard>=4.4.4'

$(VENV)/.installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo 'Installing PyTorch, NNI and the package into $(VENV); this takes some minutes once.'
	$(INSTALL) .
	@$(NEWER_TYPEGUARD)
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) '.[test,docs]'
	@$(NEWER_TYPEGUARD)
	@touch $@

clean:
	rm -rf $(VENV) build docs/_build docs/generated *.egg-info .pytest_cache .mypy_cache .hypothesis .coverage
