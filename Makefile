# The commands of the README. Everything is installed into .venv; remove that folder to start afresh.

PYTHON ?= python3
# Where torch comes from: this index has builds without CUDA (200 MB instead of several GB). For a CUDA build:
#   make install TORCH_INDEX=https://download.pytorch.org/whl/cu130
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
BENCH := .venv-bench/bin
BENCH_PIP := $(subst $(BIN),$(BENCH),$(PIP))
# Files of tests side by side, in the order of conftest.py: a process for each core, but no more than memory is for.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
SITE := import sysconfig; print(sysconfig.get_path("purelib"))
SAMPLE := Resources/Samples/abdomen_mr

.PHONY: install demo test test-fast lint bench screenshots release-assets clean

install: .venv/installed

# OpenVINO, the second engine, comes without what it requires beside numpy: its telemetry.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "AttnSeg needs Python 3.11 or newer; give one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "Python's venv is missing; on Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Setting up .venv (once; a few minutes) ..."
	@$(PYTHON) -m venv .venv
	@echo "  PyTorch ..."
	@$(PIP) --retries 1 --no-deps --extra-index-url $(TORCH_INDEX) torch
	@echo "  AttnSeg, and what it and its tests need ..."
	@$(PIP) --editable '.[train,dicom,cluster,parquet,baselines,dev]'
	@echo "  OpenVINO ..."
	@$(PIP) --no-deps openvino
	@touch $@

demo: install
	@$(BIN)/attnseg segment $(SAMPLE)/image.nrrd --reference $(SAMPLE)/labels.nrrd \
		--model afnet-abdomen-mr --out demo-output --overwrite
	@echo "Look at demo-output/overview.png, or open demo-output/segmentation.seg.nrrd in 3D Slicer."

test: install
	$(PYTEST)

test-fast: install
	$(PYTEST) -m "not slow"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	PYTHONPATH=AttnSeg $(BIN)/lint-imports --no-cache
	$(BIN)/mypy

bench: .venv-bench/installed
	$(BENCH)/python -m Testing.benchmarks $(BENCH_OPTIONS)

# The benchmark's peers are in an environment of their own on top of .venv, so that tests and training meet no package
# that AttnSeg does not ask for. nnU-Net comes without its requirements: one of them, for networks that are not used
# here, needs timm and so a torchvision that does not fit a torch without CUDA (docs/decisions/0004-torchvision.md).
# What nnU-Net's predictor imports is in the extra `bench`.
.venv-bench/installed: .venv/installed
	@echo "Setting up .venv-bench (once; a minute or two) ..."
	@$(BIN)/python -m venv --clear .venv-bench
	@$(BIN)/python -c '$(SITE)' > "$$($(BENCH)/python -c '$(SITE)')/below.pth"
	@$(BENCH_PIP) --editable '.[bench]'
	@$(BENCH_PIP) --no-deps nnunetv2 dynamic-network-architectures
	@touch $@

screenshots: install
	$(BIN)/python -m Testing.screenshots docs/images

# Models that are too large for the repository, such as full-width ones: by default all that training.export made.
#   make release-assets MODELS="anunet-left_atrium-mr" ADDRESS=https://...
ADDRESS ?= https://github.com/AttnSeg/SlicerAttnSeg/releases/download/models
release-assets: install
	@rm -rf release-assets
	$(BIN)/python -m training.release $(MODELS) --out release-assets --address $(ADDRESS)

clean:
	rm -rf .venv .venv-bench release-assets bench-output demo-output build dist *.egg-info
