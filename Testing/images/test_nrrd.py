"""NRRD files: all that the format allows and scans have, and what is refused before anything is allocated."""

import gzip

import numpy as np
import pytest
from made_up.files import nrrd_header, some_voxels, write_nrrd
from made_up.refusals import refusal

from AttnSegLib.images.volume import read_volume

AFFINE = np.array([[-0.5, 0, 0, -10], [0, -1.5, 0, -20], [0, 0, 2, 30], [0, 0, 0, 1]])  # RAS
NOWHERE = {"space": None, "space_directions": None, "space_origin": None}
LPS_OF_1_MM = np.diag([-1.0, -1.0, 1.0, 1.0])
NO_AXES = "how the axes lie in the patient (taken as left, posterior, superior)"
NO_ORIGIN = "where the first voxel is (taken as 0)"
NO_SPACING = "how far apart the voxels are (taken as 1 mm)"


def written(tmp_path, packing="raw", voxels=None, **fields):
    return write_nrrd(tmp_path / "image.nrrd", some_voxels() if voxels is None else voxels, packing, **fields)


# voxels


@pytest.mark.parametrize("packing", ["raw", "gzip", "bzip2"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<f4", ">f8", "<i8"])
def test_voxels_of_all_types_and_packings_are_read(tmp_path, dtype, packing):
    voxels = some_voxels(dtype)
    volume = read_volume(written(tmp_path, packing, voxels))
    np.testing.assert_array_equal(volume.voxels, voxels.astype(voxels.dtype.newbyteorder("=")), strict=True)
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert volume.notices == ()


@pytest.mark.parametrize("dtype", ["u1", "<i2", "<f4"])
def test_voxels_written_out_as_text_are_read(tmp_path, dtype):
    voxels = some_voxels(dtype, (20, 30, 40)) if dtype != "u1" else some_voxels(dtype)
    path = tmp_path / "image.nrrd"
    text = "\n".join(" ".join(map(str, row)) for row in voxels.reshape(-1, voxels.shape[2]).tolist())
    for end in ("", "\n"):
        path.write_bytes(nrrd_header(voxels, encoding="ascii") + b"\n" + (text + end).encode())
        np.testing.assert_array_equal(read_volume(path).voxels, voxels, strict=True)
    for damage in ("", " 1", "x", " 70000", "." * 100_000):
        shorter = text.rsplit(maxsplit=1)[0]
        path.write_bytes(nrrd_header(voxels, encoding="ascii") + b"\n" + (shorter + damage + damage).encode())
        assert "is damaged" in refusal(path)


def test_a_header_beside_its_data_names_it_in_several_ways(tmp_path):
    voxels = some_voxels()
    (tmp_path / "all.raw").write_bytes(b"ab\ncd\nefg" + voxels.tobytes())
    for k, one in enumerate(voxels):
        (tmp_path / f"slice_{k:02}.raw").write_bytes(one.tobytes())
    header = tmp_path / "image.nhdr"
    for data_file, fields in [
        ("all.raw", {"byte_skip": 9}),
        ("all.raw", {"line_skip": 2, "byte_skip": 3}),
        ("all.raw", {"byte_skip": -1}),
        ("slice_%02d.raw 0 4 1", {}),
        ("LIST\n" + "\n".join(f"slice_{k:02}.raw" for k in range(5)), {}),
    ]:
        header.write_bytes(nrrd_header(voxels, **fields, data_file=data_file))
        np.testing.assert_array_equal(read_volume(header).voxels, voxels)
    (tmp_path / "slice_03.raw").unlink()
    assert "The data file 'slice_03.raw' of 'image.nhdr' is missing" in refusal(header)
    header.write_bytes(nrrd_header(voxels, data_file="slice_00.raw"))
    assert "(in 'slice_00.raw': its header says 3x4x5 voxels, for which it is too short)" in refusal(header)


def test_packed_data_beside_its_header_may_have_something_before_it(tmp_path):
    header = tmp_path / "image.nhdr"
    (tmp_path / "image.raw.gz").write_bytes(gzip.compress(b"1234567" + some_voxels().tobytes()))
    header.write_bytes(nrrd_header(some_voxels(), encoding="gzip", byte_skip=7, data_file="image.raw.gz"))
    np.testing.assert_array_equal(read_volume(header).voxels, some_voxels())


@pytest.mark.parametrize("kinds", ["vector domain domain domain", "list space space space"])
def test_one_value_in_each_voxel_is_a_volume(tmp_path, kinds):
    directions = "none (0.5,0,0) (0,1.5,0) (0,0,2)"
    fields = {"dimension": 4, "sizes": "1 3 4 5", "kinds": kinds, "space_directions": directions}
    volume = read_volume(written(tmp_path, **fields))
    np.testing.assert_array_equal(volume.voxels, some_voxels())
    np.testing.assert_array_equal(volume.affine, AFFINE)


def test_keys_with_values_and_comments_are_left_alone(tmp_path):
    path = tmp_path / "image.nrrd"
    header = nrrd_header(some_voxels()) + b"# \xff comment\nkey:=value: " + b"x" * 100_000 + b"\n\n"
    path.write_bytes(header + some_voxels().tobytes())
    np.testing.assert_array_equal(read_volume(path).voxels, some_voxels())


# places


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("RAS", (1, 1, 1)),
        ("LAS", (-1, 1, 1)),
        ("Right-Anterior-Superior", (1, 1, 1)),
    ],
)
def test_axes_are_brought_to_right_anterior_superior(tmp_path, space, signs):
    directions = "(0,3,0) (2,0,0) (0,0,-4)"
    volume = read_volume(written(tmp_path, space=space, space_directions=directions, space_origin="(5,6,7)"))
    ras = np.array([[0, 2, 0, 5], [3, 0, 0, 6], [0, 0, -4, 7]]) * np.array(signs)[:, None]
    np.testing.assert_array_equal(volume.affine[:3], ras)
    assert volume.notices == ()


@pytest.mark.parametrize(
    ("fields", "affine", "silent"),
    [
        (NOWHERE, LPS_OF_1_MM, [NO_SPACING, NO_AXES, NO_ORIGIN]),
        (NOWHERE | {"spacings": "nan nan nan"}, LPS_OF_1_MM, [NO_SPACING, NO_AXES, NO_ORIGIN]),
        (NOWHERE | {"spacings": "1 2 3"}, np.diag([-1.0, -2, 3, 1]), [NO_AXES, NO_ORIGIN]),
        (
            NOWHERE | {"spacings": "1 2 3", "axis_mins": "5 6 7"},
            [[-1, 0, 0, -5.5], [0, -2, 0, -7], [0, 0, 3, 8.5], [0, 0, 0, 1]],
            [NO_AXES],
        ),
        (
            NOWHERE | {"spacings": "1 2 3", "axis_mins": "5 6 7", "centerings": "node node node"},
            [[-1, 0, 0, -5], [0, -2, 0, -6], [0, 0, 3, 7], [0, 0, 0, 1]],
            [NO_AXES],
        ),
        ({"space": "scanner-xyz"}, AFFINE, [NO_AXES]),
        ({"space": None, "space_dimension": 3}, AFFINE, [NO_AXES]),
        ({"space_origin": None}, AFFINE * [1, 1, 1, 0] + np.diag([0, 0, 0, 1]), [NO_ORIGIN]),
    ],
)
def test_what_a_header_does_not_say_is_told_in_one_notice(tmp_path, fields, affine, silent):
    volume = read_volume(written(tmp_path, **fields))
    np.testing.assert_array_equal(volume.affine, affine)
    (notice,) = volume.notices
    listed = " and ".join([", ".join(silent[:-1]), silent[-1]] if len(silent) > 1 else silent)
    assert notice == f"The file does not say {listed}; check that this is right."


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (NOWHERE | {"spacings": "nan 1 1"}, "spacing of 'image.nrrd' is not above 0"),
        (NOWHERE | {"spacings": "0 1 1"}, "spacing of 'image.nrrd' is not above 0"),
        (NOWHERE | {"spacings": "1 1 -1"}, "spacing of 'image.nrrd' is not above 0"),
        (NOWHERE | {"spacings": "1 1 inf"}, "spacing of 'image.nrrd' is not above 0"),
        (NOWHERE | {"spacings": "1 1 1e300"}, "sheared or not valid"),
        ({"space_directions": "(nan,0,0) (0,1.5,0) (0,0,2)"}, "sheared or not valid"),
        ({"space_directions": "(0,0,0) (0,1.5,0) (0,0,2)"}, "sheared or not valid"),
        ({"space_directions": "(1e308,0,0) (0,1e308,0) (0,0,2)"}, "sheared or not valid"),
        ({"space_origin": "(1e308,0,0)"}, "sheared or not valid"),
        ({"space_origin": "(nan,0,0)"}, "sheared or not valid"),
        ({"space_units": '"um" "um" "um"'}, "are in um; save it with lengths in mm"),
        ({"space": "L" * 2000}, "names a space that does not exist"),
        ({"space_directions": "(0.5,0,0) (0,1.5,0)"}, "is damaged"),
        ({"space_directions": "(0.5,0) (0,1.5) (0,2)"}, "is damaged"),
        ({"space_directions": "x" * 2000}, "is damaged"),
        ({"space_origin": "(1,2)"}, "is damaged"),
        ({"sizes": "3 4"}, "is damaged"),
        ({"sizes": "3 4 0"}, "is damaged"),
        ({"sizes": "3 4 -5"}, "is damaged"),
        ({"sizes": "3 4 6"}, "is too short"),
        ({"sizes": "3 4 4"}, "holds more voxels"),
        ({"sizes": "3 4 999999999999999999"}, "is too short"),
        ({"sizes": "3 4 5" + "0" * 2000}, "is damaged"),
        ({"dimension": "1e308"}, "is damaged"),
        ({"dimension": "3" * 2000}, "is damaged"),
        ({"type": "block"}, "stores its voxels as blocks, which is not read"),
        ({"encoding": "hex"}, "stores its voxels as hexadecimal text, which is not read"),
        ({"type": "shirt"}, "is damaged"),
        ({"encoding": "zip"}, "is damaged"),
        ({"endian": None}, "its header lacks 'endian'"),
        ({"endian": "middle"}, "is damaged"),
        ({"encoding": None}, "its header lacks 'encoding'"),
        ({"sizzes": "3 4 5"}, "is damaged"),
        ({"byte_skip": -2}, "is damaged"),
        ({"byte_skip": 10**17}, "is too short"),
        ({"line_skip": 10**17}, "is damaged"),
        ({"data_file": "slice_%099d.raw 1 5 1"}, "is damaged"),
        ({"data_file": "slice_%s%d.raw 1 5 1"}, "is damaged"),
        ({"data_file": "slice_%d.raw 1 999999999999 1"}, "is damaged"),
        ({"data_file": "nothing\0.raw"}, "is damaged"),
        ({"data_file": "."}, "is not a file but a folder"),
    ],
)
def test_nonsense_in_a_header_is_refused(tmp_path, fields, why):
    voxels, fields = some_voxels(), {"encoding": "raw"} | fields
    path = tmp_path / "image.nrrd"
    path.write_bytes(nrrd_header(voxels, **fields) + b"\n" + voxels.tobytes())
    assert why in refusal(path)


def test_a_header_that_repeats_a_field_is_refused(tmp_path):
    path = tmp_path / "image.nrrd"
    path.write_bytes(nrrd_header(some_voxels()) + b"sizes: 3 4 5\n\n" + some_voxels().tobytes())
    assert "there twice" in refusal(path)
