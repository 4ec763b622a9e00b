# Two commands are enough to begin: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
EXTRAS ?= cpu,demo,dev,postgres,s3
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# A file's tests share what they set up.
PARALLEL := --numprocesses 2 --dist loadfile
# pytest's exit code where ARGS choose no test of a kind.
NONE_CHOSEN := 5

.PHONY: demo test lint unit bench audit clean setup

demo: setup
	$(BIN)/linewatch demo $(ARGS)

test: setup lint
	$(PYTEST) -m "not slow" $(PARALLEL) $(ARGS) || [ $$? -eq $(NONE_CHOSEN) ]
	@# These start servers, processes and browsers, and mostly wait for them.
	$(PYTEST) -m slow $(PARALLEL) $(ARGS) || [ $$? -eq $(NONE_CHOSEN) ]

unit: setup
	$(PYTEST) -m "not slow" $(PARALLEL) $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# What is installed (dist/linewatch.cdx.json, CycloneDX), and whether a vulnerability of it is known.
audit: setup
	$(BIN)/python .ci/audit.py

bench: setup
	$(BIN)/python -m bench $(ARGS)

setup: $(VENV)/.installed

# One pip call for everything: torch and torchvision must be resolved together.
$(VENV)/.installed: pyproject.toml Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --progress-bar off --editable ".[$(EXTRAS)]"
	@# grad-cam is only compared with in tests; its opencv-python would overwrite the headless one.
	$(BIN)/python -m pip install --quiet --progress-bar off --no-deps "grad-cam>=1.5" "ttach>=0.0.3"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
