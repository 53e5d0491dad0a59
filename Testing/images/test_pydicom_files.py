"""Every image among the test files that pydicom brings: equal to what pydicom reads, or refused in one sentence."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from made_up.dicom import refusal
from pydicom import dcmread
from pydicom.pixels import apply_modality_lut

from AttnSegLib.images.volume import read_volume

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
READ = [
    "693_J2KI.dcm",
    "CT_small.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "MR_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_expb.dcm",
    "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_padded.dcm",
    "dicomdirtests/77654033/CT2/17106",
    "dicomdirtests/98892003/MR700/4467",
    "examples_overlay.dcm",
]
REFUSED = {
    "MR_truncated.dcm": "there are fewer pixels than the 64 x 64 that the header claims",
    "ExplVR_BigEnd.dcm": "the pixels have colours",
    "SC_rgb_rle_2frame.dcm": "the pixels have colours",
    "examples_palette.dcm": "the pixels have colours",
    "JPEG-lossy.dcm": "position, orientation or pixel spacing is not given",
    "image_dfl.dcm": "position, orientation or pixel spacing is not given",
    "dicomdirtests/77654033/CR1/6154": "position, orientation or pixel spacing is not given",
    "liver_1frame.dcm": "there is no scan",
    "rtdose_rle.dcm": "there is no scan",
    "reportsi.dcm": "there is no image",
    "CT_small.dcm": "is a single DICOM slice; give the folder",
}


def a_series_of(name, folder):
    """Three times the same slice, 2 mm apart."""
    for k in range(3):
        file = dcmread(FILES / name)
        orientation = np.array(file.ImageOrientationPatient, float)
        normal = np.cross(orientation[:3], orientation[3:])
        place = np.array(file.ImagePositionPatient, float) + 2 * k * normal
        file.ImagePositionPatient = [f"{x:.9g}" for x in place]
        file.save_as(folder / f"{k}")


@pytest.mark.filterwarnings("ignore")  # pydicom's, about its own files
@pytest.mark.parametrize("name", READ)
def test_intensities_are_those_of_pydicom(a_folder, name):
    a_series_of(name, a_folder)
    file = dcmread(FILES / name)
    expected = apply_modality_lut(file.pixel_array, file)
    for pixels in read_volume(a_folder).voxels:
        np.testing.assert_array_equal(pixels, expected)


@pytest.mark.filterwarnings("ignore")
def test_jpeg_ls_which_pydicom_alone_cannot_unpack(a_folder):
    a_series_of("MR_small_jpeg_ls_lossless.dcm", a_folder)
    for pixels in read_volume(a_folder).voxels:
        np.testing.assert_array_equal(pixels, dcmread(FILES / "MR_small.dcm").pixel_array)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("by", ["file", "folder"])
def test_what_is_no_slice_is_refused_for_its_own_reason(a_folder, name, by):
    path = shutil.copy(FILES / name, a_folder)
    told = REFUSED[name] if by == "file" or name != "CT_small.dcm" else "holds single slices only"
    if by == "folder" and name == "reportsi.dcm":
        told = "holds no DICOM slices"
    assert told in refusal(path if by == "file" else a_folder)
