"""Four scans, and the command on them."""

import pytest
from made_up.cohorts import CASES, write_scan

from AttnSegLib.__main__ import main


@pytest.fixture
def scans(tmp_path):
    for seed, name in enumerate(CASES):
        write_scan(tmp_path / "scans" / f"{name}.nii.gz", seed)
    return tmp_path / "scans"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def cohort(a_model_folder, out):
    def cohort(*sources, model=a_model_folder):
        options = ["--model", str(model), "--out", str(out), "--device", "cpu", "--attention", "none"]
        return main(["cohort", *options, *map(str, sources)])

    return cohort


@pytest.fixture(autouse=True)
def no_picture(monkeypatch):
    """It takes longer than all the rest."""
    monkeypatch.setattr("AttnSegLib.results.run_files.no_picture", lambda: ["No picture."])
