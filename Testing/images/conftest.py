"""Folders of slices that several tests share."""

import pytest
from made_up.dicom import ORIGIN, place_of, write_series


@pytest.fixture
def a_folder(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    return folder


@pytest.fixture
def a_ct_folder(a_folder):
    """Five slices, 2 mm apart."""
    write_series(a_folder)
    return a_folder


@pytest.fixture
def the_third_slice(a_ct_folder):
    (path,) = (p for p in a_ct_folder.iterdir() if place_of(p)[2] == ORIGIN[2] + 4)
    return path
