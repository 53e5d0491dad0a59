"""The command line where packages are missing, as in Slicer's Python: it does without, or says which in a sentence."""

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from test_command_line import a_scan as a_scan
from test_command_line import out as out

from AttnSegLib.__main__ import main
from AttnSegLib.models import store

ROOT = Path(__file__).parents[2]


def without(packages, *arguments):
    """Run `attnseg` in a process that has no such packages."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({packages!r})); "
        "from AttnSegLib.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
def test_segment_does_without_tqdm_and_matplotlib(a_scan, a_model_folder, out):
    done = without(
        ["tqdm", "matplotlib"], "segment", a_scan, "--model", a_model_folder, "--out", out, "--device", "cpu"
    )
    assert done.returncode == 0, done.stderr
    sentence = "There is no overview.png, since matplotlib is missing; to have it: pip install matplotlib."
    assert f"Warning: {sentence}" in done.stderr.splitlines()
    report = json.loads((out / "report.json").read_text())
    assert sentence in report["notices"]
    found = sorted(path.name for path in out.iterdir())
    assert found == ["attention-gate-0-0.nrrd", "report.json", "segmentation.seg.nrrd"]


def test_models_are_downloaded_without_tqdm(a_model_folder, monkeypatch, capsys):
    class Download:
        """Two looks, and it is there."""

        def __init__(self, _spec):
            self.looks = 0

        def start(self):
            pass

        def poll(self):
            self.looks += 1
            return store.DownloadState(self.looks, 2, finished=self.looks == 2)

    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(store, "Download", Download)
    card = json.loads((a_model_folder / "card.json").read_text()) | {"url": "https://nowhere.invalid/weights"}
    (a_model_folder / "card.json").write_text(json.dumps(card))
    (a_model_folder / "weights.safetensors").unlink()
    assert main(["models", "download", str(a_model_folder)]) == 0
    assert "are here and verified" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("torch", ["segment", "scan.nrrd", "--model", "x", "--out", "results"]),
        ("SimpleITK", ["segment", "scan.nrrd", "--model", "x", "--out", "results"]),
    ],
)
def test_what_nothing_goes_without_is_named(package, arguments):
    done = without([package], *arguments)
    assert done.returncode == 2
    sentence = f"The Python package '{package}' is missing: pip install {package}; 'attnseg check' looks further."
    assert done.stderr.splitlines() == [f"Error: {sentence}"]


def test_a_fault_of_our_own_is_not_taken_for_a_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "AttnSegLib.networks.counted", None)
    with pytest.raises(ModuleNotFoundError):
        main(["networks"])


def test_the_package_asks_for_what_the_library_imports():
    """But for what only Slicer has, and what is imported in a function that says so if it is missing."""
    names = set()
    for path in (ROOT / "AttnSegLib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").split(".")[0])
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    elsewhere = {"AttnSegLib", "slicer", "vtk", "monai", "transformers", "highdicom", "ray", "pyarrow", "openvino"}
    assert names - set(sys.stdlib_module_names) - elsewhere == {name.split(">")[0] for name in asked}
