"""Small scans for cohorts, and what a cohort left."""

import csv

import numpy as np
import SimpleITK as sitk

from AttnSegLib.images.volume import to_image

CASES = ["a", "b", "c", "d"]
AFFINE = np.diag([1.0, 1.5, 2.5, 1.0])


def write_scan(path, seed=0, shape=(5, 16, 16)):
    """An MR-like volume of noise, in the format of the name."""
    voxels = np.random.default_rng(seed).integers(0, 1000, shape).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(to_image(voxels, AFFINE), str(path))
    return path


def table_of(out):
    """The rows of `cohort.csv`."""
    with (out / "cohort.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def assert_whole(out, cases, model="tiny"):
    """Every case is there once and can be read; nothing else is."""
    assert sorted(path.name for path in (out / "cases").iterdir() if path.name[0] != ".") == sorted(cases)
    for case in cases:
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "cases" / case / model / "segmentation.seg.nrrd")))
        assert labels.shape == (5, 16, 16)
        assert (out / "cases" / case / model / "report.json").is_file()
    assert [row["case"] for row in table_of(out)] == sorted(cases)
    assert {row["status"] for row in table_of(out)} == {"done"}
    assert list((out / "unfinished").iterdir()) == []
