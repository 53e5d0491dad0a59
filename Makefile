# The commands of the README. Everything is installed into .venv; remove that folder to start afresh.

PYTHON ?= python3
# Where torch comes from: this index has builds without CUDA (200 MB instead of several GB). For a CUDA build:
#   make install TORCH_INDEX=https://download.pytorch.org/whl/cu130
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
SAMPLE := Resources/Samples/left_atrium_mr

.PHONY: install demo test test-fast lint bench screenshots clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "AttnSeg needs Python 3.11 or newer; give one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "Python's venv is missing; on Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Setting up .venv (once; a few minutes) ..."
	@$(PYTHON) -m venv .venv
	@$(PIP) --retries 1 --no-deps --extra-index-url $(TORCH_INDEX) torch
	@$(PIP) --editable '.[train,baselines,dev]'
	@touch $@

demo: install
	@$(BIN)/attnseg segment $(SAMPLE)/image.nrrd --reference $(SAMPLE)/labels.nrrd \
		--model anunet-left_atrium-mr --out demo-output --overwrite
	@echo "Look at demo-output/overview.png, or open demo-output/segmentation.seg.nrrd in 3D Slicer."

test: install
	$(BIN)/python -m pytest

test-fast: install
	$(BIN)/python -m pytest -m "not slow"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy

bench: install
	$(BIN)/python -m Testing.benchmarks

screenshots: install
	$(BIN)/python -m Testing.screenshots docs/images

clean:
	rm -rf .venv demo-output build dist *.egg-info
