from itertools import product

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_volume

VOXELS = np.arange(5 * 4 * 3, dtype=np.int16).reshape(5, 4, 3)
AXIAL = (1, 0, 0, 0, 1, 0)
# rows and columns of a plane turned about two axes
OBLIQUE = (0.8, 0.6, 0, -0.36, 0.48, 0.8)
ORIGIN = np.array([-11.5, 22.25, 33])
SERIES = "1.2.3.1"
COLOUR = {"PlanarConfiguration": 0, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": bytes(range(12))}
PATIENT = {"PatientName": "Doe^Jane", "PatientID": "4711", "PatientBirthDate": "19700102", "StudyDescription": "Ache"}


def write_slice(path, pixels, distance=0.0, **tags):
    """A DICOM file, `distance` mm along the slice normal from ORIGIN; pixels are 1.5 mm high and 0.75 mm wide."""
    tags = {"ImageOrientationPatient": list(AXIAL), "Modality": "CT", **tags}
    orientation = np.array(tags["ImageOrientationPatient"], float)
    position = ORIGIN + distance * np.cross(orientation[:3], orientation[3:])
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = CTImageStorage if tags["Modality"] == "CT" else MRImageStorage
    file.SOPInstanceUID = generate_uid()
    file.SeriesInstanceUID, file.SeriesNumber = SERIES, 3
    file.ImagePositionPatient = [round(x, 9) for x in position.tolist()]
    file.PixelSpacing, file.SliceThickness = [1.5, 0.75], 3.2
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PixelRepresentation = 1, "MONOCHROME2", 1
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 16, 15
    file.PixelData = pixels.astype(np.int16).tobytes()
    file.update(PATIENT | tags)
    file.save_as(path, enforce_file_format=True)


def write_series(folder, distances=(0, 2, 4, 6, 8), prefix="", **tags):
    """Slice k of VOXELS at distances[k]; neither file names nor instance numbers follow the positions."""
    for k, distance in enumerate(distances):
        name = f"{prefix}{3 * k % 5}"
        write_slice(folder / name, VOXELS[k % 5], distance, InstanceNumber=7 * k % 5, **tags)


def edit(path, **tags):
    file = dcmread(path)
    file.update(tags)
    file.save_as(path)


def pack(path, syntax=RLELossless):
    """Encode the pixels by run lengths, whatever `syntax` claims."""
    file = dcmread(path)
    file.compress(RLELossless, generate_instance_uid=False)
    file.file_meta.TransferSyntaxUID = syntax
    file.save_as(path)


def without(path, *tags):
    file = dcmread(path)
    for tag in tags:
        del file[tag]
    file.save_as(path)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-5])


def position(path):
    return np.array(dcmread(path).ImagePositionPatient, float)


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
    (path,) = (p for p in a_ct_folder.iterdir() if position(p)[2] == ORIGIN[2] + 4)
    return path


def refusal(folder, **kwargs):
    """The message with which a folder is refused: one sentence with a remedy, nothing about the patient."""
    with pytest.raises(InputError) as caught:
        read_volume(folder, **kwargs)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert "; " in message
    assert_anonymous(message)
    return message


def assert_anonymous(message):
    assert not any(value in message for value in ("Doe", "Jane", "4711", "1970", "Ache"))


# what is read


def test_slices_are_sorted_by_position(a_ct_folder):
    volume = read_volume(a_ct_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.spacing == pytest.approx((0.75, 1.5, 2.0))  # not 3.2, the SliceThickness
    assert volume.modality == "CT"
    assert volume.notices == ()


@pytest.mark.parametrize("step", [2, -2], ids=["upwards", "downwards"])
@pytest.mark.parametrize("orientation", [AXIAL, (0, 1, 0, 0, 0, -1), OBLIQUE], ids=["axial", "sagittal", "oblique"])
def test_every_voxel_lies_where_the_tags_say(a_folder, orientation, step):
    write_series(a_folder, step * np.arange(5), Modality="MR", ImageOrientationPatient=list(orientation))
    volume = read_volume(a_folder)
    assert volume.modality == "MR"
    rows, columns = np.array(orientation[:3]), np.array(orientation[3:])
    for path in a_folder.iterdir():
        file = dcmread(path)
        pixels = file.pixel_array
        k = int(np.flatnonzero((volume.voxels == pixels).all(axis=(1, 2)))[0])
        for j, i in product(range(4), range(3)):
            lps = position(path) + i * 0.75 * rows + j * 1.5 * columns
            np.testing.assert_allclose(volume.affine @ [i, j, k, 1], [*lps * [-1, -1, 1], 1], atol=1e-7)


def test_a_rounded_orientation_gives_right_angles(a_folder):
    write_series(a_folder, ImageOrientationPatient=[0.87, 0.5, 0, -0.49, 0.87, 0.01])
    volume = read_volume(a_folder)
    axes = volume.affine[:3, :3] / volume.spacing
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert volume.spacing[:2] == pytest.approx((0.75, 1.5), rel=1e-12)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_intensities_are_rescaled(a_folder, modality):
    write_series(a_folder, Modality=modality, RescaleSlope=2, RescaleIntercept=-1024)
    np.testing.assert_array_equal(read_volume(a_folder).voxels, 2 * VOXELS - 1024.0)


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("slopes", [(1, 0.5, 2, 0.25, 1), (0.5, 1.5, 2.5, 3.5, 4.5)], ids=["mixed types", "fractions"])
def test_each_slice_has_its_own_slope(a_folder, modality, slopes):
    for k, slope in enumerate(slopes):
        scaling = {"RescaleSlope": slope, "RescaleIntercept": 10 * k}
        write_slice(a_folder / f"{k}", VOXELS[k], 2 * k, Modality=modality, **scaling)
    expected = VOXELS * np.reshape(slopes, (5, 1, 1)) + 10 * np.reshape(range(5), (5, 1, 1))
    np.testing.assert_array_equal(read_volume(a_folder).voxels, expected)


def test_packed_slices_are_read(a_folder):
    voxels = np.arange(2 * 16 * 17).reshape(2, 16, 17)
    for k in range(2):
        write_slice(a_folder / f"{k}", voxels[k], 2 * k)
        pack(a_folder / f"{k}")
    np.testing.assert_array_equal(read_volume(a_folder).voxels, voxels)


# what else lies in the folder


def test_other_files_and_folders_are_ignored(a_ct_folder):
    (a_ct_folder / "notes.txt").write_text("hello")
    (a_ct_folder / "empty").touch()
    (a_ct_folder / "noise").write_bytes(np.random.default_rng(0).bytes(3000))
    (a_ct_folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (a_ct_folder / "folder").mkdir()
    volume = read_volume(a_ct_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: without(path, "ImagePositionPatient"),
        lambda path: without(path, "ImageOrientationPatient"),
        lambda path: without(path, "PixelSpacing"),
        lambda path: without(path, "PixelData", "Rows", "Columns"),
        lambda path: edit(path, ImageOrientationPatient=[0] * 6),
        lambda path: edit(path, PixelSpacing=[1.5, 0]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"22.25", b"22,25")),
        lambda path: path.write_bytes(path.read_bytes().replace(b"22.25", b"  nan")),
        lambda path: edit(path, SamplesPerPixel=3, PhotometricInterpretation="RGB", Rows=2, Columns=2, **COLOUR),
        lambda path: edit(path, Rows=2, NumberOfFrames=2),
        cut_short,
    ],
    ids=[
        "no position",
        "no orientation",
        "no pixel spacing",
        "no pixels",
        "no direction",
        "pixels without width",
        "decimal comma",
        "nan",
        "colour",
        "two frames",
        "cut short",
    ],
)
def test_dicom_files_that_are_no_slice_are_left_out(a_ct_folder, spoil):
    write_slice(a_ct_folder / "other", VOXELS[0], 10)
    spoil(a_ct_folder / "other")
    volume = read_volume(a_ct_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ("1 DICOM file(s) without a usable slice were left out.",)


def test_a_copy_of_a_slice_is_left_out(a_ct_folder, the_third_slice):
    (a_ct_folder / "copy").write_bytes(the_third_slice.read_bytes())
    volume = read_volume(a_ct_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ("1 file(s) that repeat a slice were left out.",)


def test_slices_with_one_instance_uid_are_no_copies(a_folder):
    write_series(a_folder, SOPInstanceUID="1.2.3.4")
    volume = read_volume(a_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ()


def test_localizers_are_left_out(a_ct_folder):
    write_slice(a_ct_folder / "scout", VOXELS[0], SeriesInstanceUID="1.2.3.2", SeriesNumber=1)
    write_slice(a_ct_folder / "turned", VOXELS[0], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    volume = read_volume(a_ct_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ("2 single slice(s) beside the series (localizers) were left out.",)


# several series


@pytest.fixture
def two_series(a_ct_folder):
    """Number 3 of five slices and number 4, of which slice k has all voxels k."""
    for k in range(3):
        pixels = np.full((4, 3), k)
        write_slice(a_ct_folder / f"x{k}", pixels, 5 * k, SeriesInstanceUID="1.2.3.2", SeriesNumber=4)
    return a_ct_folder


def test_two_series_are_refused(two_series):
    message = refusal(two_series)
    assert "number 3 (5 slices), number 4 (3 slices)" in message
    assert "--series" in message


def test_a_series_is_chosen_by_its_number(two_series):
    np.testing.assert_array_equal(read_volume(two_series, series="3").voxels, VOXELS)
    chosen = read_volume(two_series, series="4")
    np.testing.assert_array_equal(chosen.voxels[:, 0, 0], range(3))
    assert chosen.spacing == pytest.approx((0.75, 1.5, 5.0))
    assert chosen.notices == ()


def test_an_unknown_series_number_is_refused(two_series):
    assert "no series with number 7; choose one of: number 3 (5 slices)" in refusal(two_series, series="7")


@pytest.mark.parametrize("series", [None, "3"])
def test_two_series_of_one_number_are_refused(a_ct_folder, series):
    write_series(a_ct_folder, prefix="x", SeriesInstanceUID="1.2.3.2")
    message = refusal(a_ct_folder, series=series)
    assert "several stacks" in message
    assert "--series" not in message
