"""The wheel: library and command line, and nothing else; and they work without a checkout."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from AttnSegLib import __version__

ROOT = Path(__file__).parents[2]


def test_the_library_alone_is_listed():
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert targets == {"wheel": {"packages": ["AttnSegLib"]}}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The file of a wheel, built from this checkout."""
    pytest.importorskip("hatchling", reason="pip install 'attnseg[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [file] = folder.glob("*.whl")
    return file


@pytest.fixture
def attnseg(wheel, tmp_path, monkeypatch):
    """Run the command of an installed wheel; returns exit code, output and errors."""
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "installed")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))

    def run(*arguments):
        command = [sys.executable, "-m", "AttnSegLib", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ)
        return done.returncode, done.stdout, done.stderr

    return run


def test_it_holds_the_library_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        [entries] = [name for name in names if name.endswith("entry_points.txt")]
        assert "attnseg = AttnSegLib.__main__:main" in file.read(entries).decode()
    assert {name.partition("/")[0] for name in names} == {"AttnSegLib", f"attnseg-{__version__}.dist-info"}
    files = [path for path in (ROOT / "AttnSegLib").rglob("*") if path.suffix in (".py", ".css", ".js")]
    library = {path.relative_to(ROOT).as_posix() for path in files}
    assert {name for name in names if name.startswith("AttnSegLib")} == library
    assert wheel.stat().st_size < 1e6


def test_without_a_model_it_says_how_to_get_one(attnseg):
    code, printed, _ = attnseg("models")
    assert (code, "attnseg models import PATH" in printed) == (0, True)


def test_it_can_not_teach_and_says_what_can(attnseg):
    code, _, said = attnseg("teach", "balls", "--time", "1m")
    assert code == 2
    assert "pip install --editable '.[train]' in a checkout" in said
    assert len(said.splitlines()) == 1


@pytest.mark.slow
def test_a_model_is_imported_and_segments(attnseg, a_model_folder, tmp_path):
    voxels = np.random.default_rng(0).integers(0, 1000, (3, 16, 16)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "scan.nrrd"))
    assert attnseg("models", "import", a_model_folder)[0] == 0
    assert "tiny" in attnseg("models")[1]
    code, _, said = attnseg("segment", "scan.nrrd", "--model", "tiny", "--out", "results", "--device", "cpu")
    assert code == 0, said
    assert {"segmentation.seg.nrrd", "report.json"} <= {path.name for path in (tmp_path / "results").iterdir()}
