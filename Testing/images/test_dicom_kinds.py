"""Kinds of DICOM that need care: files of many frames, inverted slices, padding, tables, mosaics."""

import numpy as np
import pytest
from made_up.dicom import (
    AXIAL,
    CORONAL,
    VOXELS,
    item,
    pack,
    position,
    refusal,
    write_enhanced,
    write_series,
    write_slice,
)
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.pixels import apply_modality_lut
from pydicom.uid import SegmentationStorage

from AttnSegLib.images.volume import read_volume
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.preprocessing import Preprocessing

STEPS = (4, 0, 8, 2, 6)  # mm: the frames are not stored in their order
LARGE = np.arange(5 * 20 * 16).reshape(5, 20, 16)


def echo(time):
    return {"MREchoSequence": [item(EffectiveEchoTime=time)]}


def time_point(number):
    return {"FrameContentSequence": [item(TemporalPositionIndex=number, DimensionIndexValues=[1, number])]}


def stack(name):
    return {"FrameContentSequence": [item(StackID=str(name))]}


def shown(number):
    kind = "MP"[number - 1]
    return {"MRImageFrameTypeSequence": [item(FrameType=["ORIGINAL", "PRIMARY", kind], ComplexImageComponent=kind)]}


def in_order(voxels):
    return voxels[np.argsort(STEPS)]


# files of many frames


@pytest.mark.parametrize("by", ["file", "folder"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_a_file_of_many_frames_is_a_volume(a_folder, by, packed):
    path = a_folder / "enhanced.dcm"
    write_enhanced(path, [(step, {}) for step in STEPS], LARGE)
    if packed:
        pack(path)
    volume = read_volume(path if by == "file" else a_folder)
    np.testing.assert_array_equal(volume.voxels, in_order(LARGE))
    assert volume.spacing == pytest.approx((0.75, 1.5, 2.0))
    np.testing.assert_allclose(volume.affine[:3, 3], np.array(position(0)) * [-1, -1, 1])
    assert (volume.modality, volume.notices) == ("MR", ())


def test_each_frame_has_its_own_slope(a_folder):
    def scale(k):
        return {"PixelValueTransformationSequence": [item(RescaleSlope=k + 0.5, RescaleIntercept=-k)]}

    write_enhanced(a_folder / "a", [(2 * k, scale(k)) for k in range(5)])
    expected = VOXELS * (np.arange(5) + 0.5).reshape(5, 1, 1) - np.arange(5).reshape(5, 1, 1)
    np.testing.assert_array_equal(read_volume(a_folder / "a").voxels, expected)


def test_places_of_frames_may_be_in_the_groups_of_all_or_in_the_header(a_folder):
    path = a_folder / "a"
    write_enhanced(path, [(step, {}) for step in STEPS], shared={"PlaneOrientationSequence": []})
    file = dcmread(path)
    file.ImageOrientationPatient = list(AXIAL)
    file.save_as(path)
    np.testing.assert_array_equal(read_volume(path).voxels, in_order(VOXELS))


@pytest.mark.parametrize(
    ("of", "told"),
    [(echo, "echo time"), (time_point, "time point"), (shown, "kind")],
    ids=["echoes", "time points", "kinds"],
)
def test_volumes_of_one_file_are_told_apart(a_folder, of, told):
    path = a_folder / "a"
    frames = [(step, of(n)) for n in (1, 2) for step in STEPS]
    write_enhanced(path, frames, np.concatenate([VOXELS, VOXELS + 5]))
    for given in (path, a_folder):
        message = refusal(given)
        assert f"mixes 2 volumes of one series number: number 3.1 (5 slices, {told} " in message
        np.testing.assert_array_equal(read_volume(given, series="3.2").voxels, in_order(VOXELS) + 5)


def test_a_file_of_frames_that_says_mosaic_is_none(a_folder):
    path = a_folder / "a"
    write_enhanced(path, [(step, {}) for step in STEPS], ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    np.testing.assert_array_equal(read_volume(path).voxels, in_order(VOXELS))


def test_parallel_stacks_of_one_file_are_told_apart(a_folder):
    path = a_folder / "a"
    write_enhanced(path, [(step + 50 * n, stack(n)) for n in (1, 2) for step in STEPS], np.tile(VOXELS, (2, 1, 1)))
    assert "number 3.1 (5 slices), number 3.2 (5 slices)" in refusal(path)


def test_a_time_series_that_was_stopped_is_refused(a_folder):
    path = a_folder / "a"
    frames = [(step, time_point(n)) for n in (1, 2) for step in STEPS][:-2]
    write_enhanced(path, frames, np.concatenate([VOXELS, VOXELS + 5])[:-2])
    assert "at one position" in refusal(path)


def test_series_in_one_file_and_in_many_may_lie_together(a_ct_folder):
    write_enhanced(a_ct_folder / "a", [(step, {}) for step in STEPS], SeriesInstanceUID="1.2.3.2", SeriesNumber=7)
    assert "mixes 2 series: number 3 (5 slices), number 7 (5 slices)" in refusal(a_ct_folder)
    np.testing.assert_array_equal(read_volume(a_ct_folder, series="7").voxels, in_order(VOXELS))


@pytest.mark.parametrize(
    ("frames", "tags", "told"),
    [
        (5, {"NumberOfFrames": 6}, "there are fewer pixels"),
        (5, {"NumberOfFrames": 4}, "there are more pixels"),
        (5, {"PerFrameFunctionalGroupsSequence": [item()] * 4}, "the header is damaged"),
        (5, {"PerFrameFunctionalGroupsSequence": [item()] * 5}, "position, orientation or pixel spacing is not given"),
        (5, {"PerFrameFunctionalGroupsSequence": []}, "not where each of them lies"),
        (1, {"NumberOfFrames": 1}, "is a single DICOM slice; give the folder"),
    ],
    ids=["too few pixels", "too many pixels", "too few groups", "no places", "no groups", "one frame"],
)
def test_frames_that_are_not_all_there_are_refused(a_folder, frames, tags, told):
    path = a_folder / "a"
    write_enhanced(path, [(2 * k, {}) for k in range(frames)], VOXELS[:frames], **tags)
    assert told in refusal(path)


def test_a_series_of_a_single_file_needs_no_number(a_folder):
    write_enhanced(a_folder / "a", [(step, {}) for step in STEPS])
    assert read_volume(a_folder / "a", series="3").voxels.shape == (5, 4, 3)
    assert "no series with number 8; choose one of: number 3 (5 slices)" in refusal(a_folder / "a", series="8")


# intensities


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_inverted_slices_keep_their_intensities(a_folder, packed):
    for k in range(5):
        tags = {"PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": 1, "RescaleIntercept": -1024}
        write_slice(a_folder / f"{k}", LARGE[k], 2 * k, BitsStored=12, HighBit=11, **tags)
        if packed:
            pack(a_folder / f"{k}")
    volume = read_volume(a_folder)
    np.testing.assert_array_equal(volume.voxels, LARGE - 1024)
    [notice] = volume.notices
    assert "MONOCHROME1" in notice


def test_a_table_gives_the_intensities(a_folder):
    table = item(LUTDescriptor=[60, 0, 16], LUTData=[7 * n % 61 for n in range(60)], ModalityLUTType="HU")
    for k in range(5):
        write_slice(a_folder / f"{k}", VOXELS[k], 2 * k, PixelRepresentation=0, ModalityLUTSequence=[table])
    expected = [apply_modality_lut(VOXELS[k], dcmread(a_folder / f"{k}")) for k in range(5)]
    np.testing.assert_array_equal(read_volume(a_folder).voxels, expected)
    assert (np.array(expected) != VOXELS).any()


@pytest.mark.parametrize(
    "tags",
    [
        {"ModalityLUTSequence": [item(LUTDescriptor=[600, 0, 16], LUTData=[1, 2])]},
        {"ModalityLUTSequence": [item(LUTData=[1, 2])]},
        {"RescaleSlope": 0, "RescaleIntercept": 4},
    ],
    ids=["short table", "no descriptor", "slope of 0"],
)
def test_nonsense_instead_of_a_scale_is_refused(a_folder, tags):
    for k in range(3):
        write_slice(a_folder / f"{k}", VOXELS[k], 2 * k, **tags)
    assert "In '0', '1' and '2', the rescaling of the intensities is nonsense" in refusal(a_folder)


def padded(folder, value, **tags):
    """Five slices of 20 x 16 pixels whose first two columns are padding; what was measured is 200 to 1799."""
    for k in range(5):
        pixels = LARGE[k] + 200
        pixels[:, :2] = value
        kind = {"PixelRepresentation": int(value < 0), "PixelPaddingValue": value, "Modality": "MR"}
        write_slice(folder / f"{k}", pixels.astype(np.uint16 if value >= 0 else np.int16), 2 * k, **kind | tags)
    return read_volume(folder)


@pytest.mark.parametrize("scale", [{}, {"RescaleSlope": 0.5, "RescaleIntercept": 3}], ids=["plain", "rescaled"])
@pytest.mark.parametrize("value", [65535, -32768, -2000, 0])
def test_padding_counts_for_no_percentile(a_folder, value, scale):
    volume = padded(a_folder, value, **scale)
    slope, intercept = scale.get("RescaleSlope", 1), scale.get("RescaleIntercept", 0)
    assert volume.padding == value * slope + intercept
    measured = (LARGE[:, :, 2:] + 200) * slope + intercept
    np.testing.assert_array_equal(volume.voxels[:, :, 2:], measured)
    assert (volume.voxels[:, :, :2] == volume.padding).all()
    wanted = Preprocessing("axial", percentiles=(0.5, 99.5))
    np.testing.assert_allclose(SliceStack.of(volume, wanted).intensity_range, np.percentile(measured, [0.5, 99.5]))
    assert "12.5 % of the voxels are padding" in volume.notices[0]


def test_padding_of_a_range_is_one_value(a_folder):
    for k in range(5):
        pixels = LARGE[k] + 200
        pixels[:, :2] = 60000 + k
        tags = {"PixelPaddingValue": 65535, "PixelPaddingRangeLimit": 60000, "PixelRepresentation": 0}
        write_slice(a_folder / f"{k}", pixels.astype(np.uint16), 2 * k, **tags)
    volume = read_volume(a_folder)
    assert (volume.voxels[:, :, :2] == volume.padding).all()
    assert (volume.voxels[:, :, 2:] != volume.padding).all()


def test_padding_that_looks_like_air_is_air(a_folder):
    volume = padded(a_folder, 195)
    assert volume.padding is None
    assert volume.notices == ()


def test_a_scan_without_a_padded_voxel_has_no_padding(a_ct_folder):
    write_series(a_ct_folder, PixelPaddingValue=-2000)
    assert read_volume(a_ct_folder).padding is None


# what is no scan, or no slice of one


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "convert it with dcm2niix"),
        ({0x00190010: "SIEMENS MR HEADER", 0x0019100A: 36}, "convert it with dcm2niix"),
        ({"Modality": "SEG", "SOPClassUID": SegmentationStorage, "BitsAllocated": 1}, "no scan"),
        ({"Modality": "RTDOSE"}, "no scan"),
        ({"BitsAllocated": 64, "BitsStored": 64}, "pixels that no scan has"),
        ({"NumberOfFrames": 2, "Rows": 2}, "not where each of them lies"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colours"),
    ],
    ids=["mosaic", "mosaic by number", "segmentation", "dose", "bits", "frames", "palette"],
)
@pytest.mark.parametrize("by", ["file", "folder"])
def test_what_is_no_slice_is_refused_for_the_right_reason(a_folder, tags, told, by):
    path = a_folder / "a"
    write_slice(path, VOXELS[0])
    file = dcmread(path)
    for tag, value in tags.items():
        if isinstance(tag, str):
            setattr(file, tag, value)
        else:
            file.add(DataElement(tag, "LO" if isinstance(value, str) else "US", value))
    file.save_as(path)
    message = refusal(path if by == "file" else a_folder)
    assert message.startswith("In 'a', ")
    assert told in message


def test_a_localizer_in_one_file_is_told_apart(a_folder):
    path = a_folder / "a"
    lie = {"PlaneOrientationSequence": [item(ImageOrientationPatient=list(CORONAL))]}
    frames = [*((step, {}) for step in STEPS), (0, lie), (3, lie)]
    write_enhanced(path, frames, np.concatenate([VOXELS, VOXELS[:2]]))
    assert "number 3.1 (5 slices), number 3.2 (2 slices)" in refusal(path)
