"""DICOM that was damaged on its way: refused before anything is allocated, and by name. No slice is lost in silence."""

import numpy as np
import pytest
from made_up.dicom import (
    ORIGIN,
    SERIES,
    VOXELS,
    cut_short,
    edit,
    pack,
    refusal,
    without,
    write_enhanced,
    write_series,
    write_slice,
)
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    JPEG2000Lossless,
    SecondaryCaptureImageStorage,
)

from AttnSegLib.images.dicom import pixels
from AttnSegLib.images.volume import read_volume

COLOUR = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "Rows": 2, "Columns": 2}
LARGE = np.arange(5 * 20 * 16).reshape(5, 20, 16) % 1000


def replaced(old, new):
    return lambda path: path.write_bytes(path.read_bytes().replace(old, new))


DAMAGE = {
    "no position": lambda path: without(path, "ImagePositionPatient"),
    "no orientation": lambda path: without(path, "ImageOrientationPatient"),
    "no pixel spacing": lambda path: without(path, "PixelSpacing"),
    "no pixels": lambda path: without(path, "PixelData", "Rows", "Columns"),
    "no direction": lambda path: edit(path, ImageOrientationPatient=[0] * 6),
    "pixels without width": lambda path: edit(path, PixelSpacing=[1.5, 0]),
    "far away": lambda path: edit(path, ImagePositionPatient=[0, 0, 1e30]),
    "decimal comma": replaced(b"22.25", b"22,25"),
    "nan": replaced(b"22.25", b"  nan"),
    "colour": lambda path: edit(path, **COLOUR),
    "two frames": lambda path: edit(path, Rows=2, NumberOfFrames=2),
    "cut short": cut_short,
    "cut in its header": lambda path: path.write_bytes(path.read_bytes()[:700]),
    "cut at its beginning": lambda path: path.write_bytes(path.read_bytes()[:200]),
    "half of the pixels": lambda path: edit(path, PixelData=bytes(12)),
    "a claim of gigabytes": lambda path: edit(path, Rows=30000, Columns=30000),
    "a claim of fewer": lambda path: edit(path, Rows=2),
    "a claim of nothing": lambda path: edit(path, Rows=0),
    "empty": lambda path: path.write_bytes(b""),
    "no longer DICOM": lambda path: path.write_bytes(bytes(500)),
    "slope of words": replaced(b"1.0", b"one"),
}


def last_slice_of(folder, name="IM5"):
    """Slices IM0 to IM4, and one more above them: without it, the series looks whole."""
    for k in range(5):
        write_slice(folder / f"IM{k}", VOXELS[k], 2 * k)
    write_slice(folder / name, VOXELS[0], 10, RescaleSlope="1.0")
    return folder / name


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_slice_is_named(a_folder, damage):
    damage(last_slice_of(a_folder))
    assert refusal(a_folder).startswith("In 'IM5', ")


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_in_another_series_is_left_out(a_folder, damage):
    path = last_slice_of(a_folder, "other")
    edit(path, SeriesInstanceUID="1.2.3.2", SeriesNumber=8)
    damage(path)
    if path.stat().st_size in (0, 200, 500):  # nobody can say of which series it was
        return
    volume = read_volume(a_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ("1 DICOM file(s) without a usable slice were left out.",)


def test_many_damaged_slices_are_counted(a_ct_folder):
    for path in list(a_ct_folder.iterdir())[:4]:
        edit(path, PixelData=bytes(12))
    assert "and 1 more, there are fewer pixels than the 3 x 4 that the header claims" in refusal(a_ct_folder)


def test_a_folder_of_nothing_but_damage_says_so(a_ct_folder):
    for path in a_ct_folder.iterdir():
        edit(path, Rows=8000, Columns=8000)
    assert "there are fewer pixels than the 8000 x 8000" in refusal(a_ct_folder)


def test_what_is_no_slice_by_its_own_word_is_left_out(a_ct_folder):
    """A report and a screenshot in the series, with the same identifier."""
    for name, kind in (("report", EncapsulatedPDFStorage), ("screen", SecondaryCaptureImageStorage)):
        write_slice(a_ct_folder / name, VOXELS[0], SOPClassUID=kind, SeriesInstanceUID=SERIES)
        without(a_ct_folder / name, "ImagePositionPatient", *(["PixelData", "Rows"] if name == "report" else []))
    volume = read_volume(a_ct_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ("2 DICOM file(s) without a usable slice were left out.",)


def test_hidden_files_are_ignored(a_ct_folder):
    """Half-copied ones, and those that macOS puts on sticks."""
    (a_ct_folder / "._0").write_bytes(bytes(4096))
    (a_ct_folder / ".0.part").write_bytes((a_ct_folder / "0").read_bytes()[:700])
    assert read_volume(a_ct_folder).notices == ()


@pytest.mark.parametrize("kind", ["series", "frames"])
def test_nothing_is_allocated_for_a_claim(a_folder, monkeypatch, kind):
    if kind == "series":
        write_series(a_folder)
    else:
        write_enhanced(a_folder / "a", [(2 * k, {}) for k in range(5)])
    for path in a_folder.iterdir():
        edit(path, Rows=30000, Columns=30000)
    monkeypatch.setattr(pixels, "intensities", lambda _: pytest.fail("it went on"))
    assert "fewer pixels than the 30000 x 30000" in refusal(a_folder)


# packed slices


def packed_series(folder):
    for k in range(5):
        write_slice(folder / f"{k}", LARGE[k], 2 * k)
        pack(folder / f"{k}")
    return folder / "3"


def jpeg2000_series(folder):
    """Two slices that pydicom ships packed."""
    for k in range(2):
        file = dcmread(get_testdata_file("MR_small_jp2klossless.dcm"))
        file.ImagePositionPatient, file.ImageOrientationPatient = [*ORIGIN[:2].tolist(), 2 * k], [1, 0, 0, 0, 1, 0]
        file.save_as(folder / f"{k}")
    return folder / "1"


def frame_of(path):
    """What is packed, without the list of places before it and the end behind it."""
    return dcmread(path).PixelData


@pytest.mark.parametrize("series", [packed_series, jpeg2000_series])
@pytest.mark.parametrize(
    "tags",
    [{"Rows": 30000, "Columns": 30000}, {"Rows": 7}, {"Columns": 15}, {"NumberOfFrames": 2}],
    ids=["gigabytes", "rows", "columns", "frames"],
)
def test_packed_pixels_of_another_size_are_refused(a_folder, series, tags):
    path = series(a_folder)
    for each in a_folder.iterdir():
        edit(each, **tags)
    assert f"'{path.name}'" in refusal(a_folder) or "In '0', " in refusal(a_folder)


@pytest.mark.parametrize("series", [packed_series, jpeg2000_series])
def test_packed_pixels_that_end_early_are_refused(a_folder, series):
    path = series(a_folder)
    whole = frame_of(path)
    end = whole.rindex(b"\xfe\xff\xdd\xe0") if b"\xfe\xff\xdd\xe0" in whole else len(whole)
    shorter = bytearray(whole[: end - 20])
    start = 8 + int.from_bytes(whole[4:8], "little")  # of the frame's own element
    shorter[start + 4 : start + 8] = (len(shorter) - start - 8).to_bytes(4, "little")
    edit(path, PixelData=bytes(shorter))
    assert f"In '{path.name}', the packed pixels are damaged or cut short" in refusal(a_folder)


def test_runs_that_do_not_fill_a_slice_are_refused(a_folder):
    path = packed_series(a_folder)
    whole = bytearray(frame_of(path))
    segment = 8 + int.from_bytes(whole[4:8], "little") + 8 + 64
    whole[segment] ^= 3  # the length of the first run
    edit(path, PixelData=bytes(whole))
    assert "In '3', the packed pixels are damaged" in refusal(a_folder)


def test_slices_packed_otherwise_than_they_say_are_refused(a_ct_folder, the_third_slice):
    pack(the_third_slice, JPEG2000Lossless)
    assert f"In '{the_third_slice.name}', the packed pixels are damaged" in refusal(a_ct_folder)


def test_a_packing_that_nobody_knows_is_refused(a_ct_folder, the_third_slice):
    pack(the_third_slice, "1.2.840.10008.1.2.4.100")
    assert f"In '{the_third_slice.name}', the pixels can't be decoded; export" in refusal(a_ct_folder)


def test_damaged_jpeg_says_nothing_on_standard_error(a_folder, capfd):
    path = jpeg2000_series(a_folder)
    whole = bytearray(frame_of(path))
    middle = len(whole) // 2
    whole[middle : middle + 200] = bytes(200)
    edit(path, PixelData=bytes(whole))
    try:
        read_volume(a_folder)
    finally:
        assert capfd.readouterr().err == ""


# whole files that are packed as such


def deflated(folder, pixels_):
    for k in range(3):
        write_slice(folder / f"{k}", pixels_[k], 2 * k)
        file = dcmread(folder / f"{k}")
        file.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        file.save_as(folder / f"{k}")


def test_deflated_files_are_read(a_folder):
    deflated(a_folder, LARGE)
    np.testing.assert_array_equal(read_volume(a_folder).voxels, LARGE[:3])


@pytest.mark.slow
def test_a_deflated_file_is_not_inflated_without_end(a_folder):
    deflated(a_folder, np.zeros((3, 8000, 8000)))
    assert "In '0', '1' and '2', the header is damaged" in refusal(a_folder)


# names


def test_names_that_are_no_text_are_read(a_folder):
    for k in range(5):
        write_slice(a_folder / f"Aufnahme-\udcfc{k}", LARGE[k], 2 * k)
        if k % 2:
            pack(a_folder / f"Aufnahme-\udcfc{k}")
    np.testing.assert_array_equal(read_volume(a_folder).voxels, LARGE)


def test_names_that_are_no_text_can_be_said(a_ct_folder, the_third_slice):
    edit(the_third_slice, PixelData=bytes(12))
    the_third_slice.rename(a_ct_folder / "Aufnahme-\udcfc")
    message = refusal(a_ct_folder)
    assert "In 'Aufnahme-\\udcfc', " in message
    message.encode()


def test_the_kind_of_a_slice_decides_whether_it_is_missed(a_folder):
    path = last_slice_of(a_folder)
    without(path, "PixelSpacing")
    edit(path, SOPClassUID=SecondaryCaptureImageStorage)
    assert read_volume(a_folder).voxels.shape == VOXELS.shape
    edit(path, SOPClassUID=CTImageStorage)
    assert "In 'IM5', " in refusal(a_folder)
