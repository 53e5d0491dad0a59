"""Image files that are refused: missing, damaged, of another kind, without a right-angled grid."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_up.refusals import refusal
from test_volume import SUFFIXES, forms, patched, write
from test_volume import a_nifti as a_nifti

from AttnSegLib.images.volume import to_image

DAMAGED = "is damaged, truncated or not what its name says"


def sform(*rows):
    return 280, "12f", *np.ravel(rows)


@pytest.mark.parametrize("name", ["nothing.nii.gz", "nothing"], ids=["file", "folder"])
def test_what_is_missing_is_refused(tmp_path, name):
    assert "No such file" in refusal(tmp_path / name)


def test_a_forbidden_file_is_refused(a_nifti, monkeypatch):
    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert "Permission denied" in refusal(a_nifti)


@pytest.mark.parametrize(
    "content", [b"", b"hello\n", np.random.default_rng(0).bytes(600)], ids=["empty", "text", "noise"]
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nonsense_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"image{suffix}"
    path.write_bytes(content)
    assert DAMAGED in refusal(path)


@pytest.mark.parametrize("name", ["notes.txt", "scan.tif", "slice.dcm", "scan"])
def test_other_formats_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"content")
    assert ("folder of a DICOM series" if name != "scan.tif" else "is a picture") in refusal(tmp_path / name)


@pytest.mark.parametrize("lost", [10, 60])
@pytest.mark.parametrize("compressed", [False, True], ids=["raw", "packed"])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_truncated_files_are_refused(tmp_path, a_volume, suffix, compressed, lost):
    path = write(tmp_path / f"image{suffix}", a_volume.voxels, compressed=compressed)
    path.write_bytes(path.read_bytes()[:-lost])
    assert DAMAGED in refusal(path)


@pytest.mark.parametrize("lost", [1, 60])
def test_truncated_nifti_is_refused(a_nifti, lost):
    a_nifti.write_bytes(a_nifti.read_bytes()[:-lost])
    assert DAMAGED in refusal(a_nifti)


@pytest.mark.parametrize("lost", [1, 30])
def test_truncated_packed_nifti_is_refused(a_nifti, lost):
    path = a_nifti.with_suffix(".nii.gz")
    path.write_bytes(gzip.compress(a_nifti.read_bytes())[:-lost])
    assert DAMAGED in refusal(path)


def test_nifti_packed_after_truncation_is_refused(a_nifti):
    path = a_nifti.with_suffix(".nii.gz")
    path.write_bytes(gzip.compress(a_nifti.read_bytes()[:-1]))
    assert DAMAGED in refusal(path)


@pytest.mark.parametrize("position", [12, -20], ids=["a length", "a voxel, told by the checksum only"])
def test_damaged_packed_nifti_is_refused(a_nifti, position):
    content = a_nifti.read_bytes()
    voxels = bytearray(gzip.compress(content[400:], compresslevel=0))
    voxels[position] ^= 1
    path = a_nifti.with_suffix(".nii.gz")
    path.write_bytes(gzip.compress(content[:400]) + voxels)
    assert DAMAGED in refusal(path)


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_a_header_without_all_its_voxels_is_refused(tmp_path, a_volume, suffix):
    path = write(tmp_path / f"image{suffix}", a_volume.voxels)
    raw = path.with_suffix(".raw")
    raw.write_bytes(raw.read_bytes()[:-2])
    assert DAMAGED in refusal(path)
    raw.unlink()
    missing = f"The data file 'image.raw' of '{path.name}' is missing; put it beside it, or give another file."
    assert refusal(path) == missing


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_colour_is_refused(tmp_path, a_volume, suffix):
    image = to_image(a_volume.voxels, np.eye(4))
    path = tmp_path / f"image{suffix}"
    sitk.WriteImage(sitk.Compose(image, image, image), str(path))
    assert "3 values per voxel" in refusal(path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_several_frames_are_refused(tmp_path, a_volume, suffix):
    image = to_image(a_volume.voxels, np.eye(4))
    path = tmp_path / f"image{suffix}"
    sitk.WriteImage(sitk.JoinSeries([image, image]), str(path))
    assert "2 frames" in refusal(path)


def test_nrrd_with_a_list_of_frames_is_refused(tmp_path):
    path = tmp_path / "image.nrrd"
    header = "NRRD0004\ntype: uint8\ndimension: 4\nsizes: 2 3 2 2\nkinds: list domain domain domain\nencoding: raw\n\n"
    path.write_bytes(header.encode() + bytes(range(24)))
    assert "2 values per voxel (colour, vectors or frames)" in refusal(path)


@pytest.mark.parametrize("shape", [(4, 3), (1, 4, 3), (4, 1, 3), (4, 3, 1)])
@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
def test_a_single_slice_is_refused(tmp_path, suffix, shape):
    path = tmp_path / f"image{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(12, dtype=np.int16).reshape(shape)), str(path))
    assert "single slice" in refusal(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers_are_refused(tmp_path, value):
    voxels = np.zeros((3, 4, 5), np.float32)
    voxels[1, 2, 3] = value
    assert "NaN or infinite" in refusal(write(tmp_path / "image.nrrd", voxels))


def test_a_constant_image_is_refused(tmp_path):
    assert "constant (every voxel is 7)" in refusal(write(tmp_path / "image.nii.gz", np.full((3, 4, 5), 7, np.int16)))


@pytest.mark.parametrize("qform_code", [0, 1], ids=["sform", "sform and qform"])
@pytest.mark.parametrize("first_row", [[0.5, 0.3, 0, 1], [0, 0, 0, 0], [0.5, 0, 0, np.nan]])
def test_a_sheared_nifti_is_refused(a_nifti, first_row, qform_code):
    rows = sform(first_row, [0, 1.5, 0, 2], [0, 0, 2, 3])
    assert "sheared" in refusal(patched(a_nifti, forms(qform_code, 1), rows))


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_sheared_grid_is_refused(tmp_path, a_volume, suffix):
    affine = np.eye(4)
    affine[0, 2] = 0.1
    assert "sheared" in refusal(write(tmp_path / f"image{suffix}", a_volume.voxels, affine))


def test_spacing_that_contradicts_the_sform_is_refused(a_nifti):
    cubes_of_3_mm = sform(*(3 * np.eye(4)[:3]))
    assert "contradict" in refusal(patched(a_nifti, forms(1, 1), cubes_of_3_mm))
