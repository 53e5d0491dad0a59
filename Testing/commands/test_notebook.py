"""The notebook of the Python API runs from its first cell to its last, here on a small scan by a tiny model."""

import json
from pathlib import Path

import matplotlib
import pytest
import SimpleITK as sitk
from made_up.cohorts import write_scan

from AttnSegLib.models.catalog import find_model

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "python.ipynb"


@pytest.fixture
def cells():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert all(cell.get("outputs", []) == [] for cell in content["cells"])  # which would grow with every run
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def test_it_runs(cells, the_model_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    known: dict = {}
    exec(cells[0], known)
    assert known["IMAGE"].is_file()
    assert find_model(known["MODEL"]).id == known["MODEL"]
    known |= {"IMAGE": write_scan(tmp_path / "scan.nii.gz"), "MODEL": str(the_model_folder)}
    for cell in cells[1:]:
        exec(cell, known)
    known["plt"].close("all")
    printed = capsys.readouterr().out
    assert printed.count("left_atrium") == 3
    assert printed.endswith("True\n")
    assert sitk.ReadImage("left_atrium.nii.gz").GetSize() == (16, 16, 5)
