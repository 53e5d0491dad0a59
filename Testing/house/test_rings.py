"""The rooms hold: the linters refuse an import that points outwards, and name the rule that it breaks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def broken_contracts(root):
    """Names of the contracts that lint-imports finds broken in a checkout."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'AttnSeg'}"}
    result = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, check=False)
    assert "Contracts:" in result.stdout, result.stdout + result.stderr
    summary = " ".join(result.stdout.partition("Contracts\n")[2].partition("Contracts:")[0].split())
    return [rule for rule in RULES if f"{rule} BROKEN" in summary]


RULES = {
    "The rooms of the library: each imports only from those below": (
        "AttnSegLib/images/volume.py",
        "AttnSegLib.models",
    ),
    "The application and Slicer's nodes never load torch: the worker does": (
        "AttnSegLib/mrml/session.py",
        "AttnSegLib.inference.runner",
    ),
    "What lists models and collects cases works where torch is not installed yet": (
        "AttnSegLib/models/store.py",
        "torch",
    ),
    "Qt belongs to the panel": ("AttnSegLib/mrml/views.py", "qt"),
    "Slicer belongs to the panel and to mrml": ("training/train.py", "slicer"),
    "The library and the panel never use training, nor what only training needs": (
        "AttnSeg/AttnSegPanel/panel.py",
        "training.train",
    ),
    "Training is headless": ("training/trust.py", "AttnSegLib.mrml.session"),
    "Slicer has no matplotlib: only the picture of a run imports it, for the command line": (
        "AttnSegLib/inference/checks/preflight.py",
        "matplotlib",
    ),
    "Slicer has neither MONAI nor transformers: only SegFormer imports the second": (
        "AttnSegLib/networks/papers/anunet.py",
        "monai",
    ),
}


@pytest.mark.slow
def test_every_rule_is_kept_here_and_broken_by_an_import_against_it(tmp_path):
    assert broken_contracts(ROOT) == []
    for name in ("AttnSegLib", "AttnSeg", "training"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "Resources"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path, module in RULES.values():
        with (tmp_path / path).open("a") as file:
            file.write(f"\n\ndef _outwards():\n    import {module}\n")
    assert set(broken_contracts(tmp_path)) == set(RULES)


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("AttnSegLib/networks/baselines/on_backbones/pan.py", "torchvision"),
        ("AttnSegLib/networks/baselines/on_backbones/pan.py", "segmentation_models_pytorch"),
        ("AttnSeg/AttnSeg.py", "training.train"),
        ("AttnSeg/AttnSeg.py", "torch"),
        ("training/train.py", "timm"),
    ],
)
def test_what_is_never_used_is_refused(path, module):
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--stdin-filename", path, "-"]
    found = subprocess.run(command, input=f"import {module}\n", capture_output=True, text=True, cwd=ROOT, check=False)
    assert "TID251" in found.stdout
