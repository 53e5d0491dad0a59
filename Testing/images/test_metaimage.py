"""MetaImage files: all that the format allows and scans have, and what is refused before anything is allocated."""

import gzip
import os
import zlib

import numpy as np
import pytest
from made_up.files import meta_header, some_voxels, write_meta
from made_up.refusals import refusal

from AttnSegLib.images.volume import read_volume

AFFINE = np.array([[-0.5, 0, 0, -10], [0, -1.5, 0, -20], [0, 0, 2, 30], [0, 0, 0, 1]])  # RAS
NO_SPACING = "how far apart the voxels are (taken as 1 mm)"
NO_AXES = "how the axes lie in the patient (taken as left, posterior, superior)"
NO_ORIGIN = "where the first voxel is (taken as 0)"


# voxels


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<f4", ">f8"])
def test_voxels_of_all_types_and_packings_are_read(tmp_path, dtype, packed):
    voxels = some_voxels(dtype)
    volume = read_volume(write_meta(tmp_path / "image.mha", voxels, packed))
    np.testing.assert_array_equal(volume.voxels, voxels.astype(voxels.dtype.newbyteorder("=")), strict=True)
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert volume.notices == ()


@pytest.mark.parametrize("name", ["MET_LONG", "MET_INT"])
def test_long_has_32_bits_on_every_machine(tmp_path, name):
    voxels = some_voxels("<i4")
    np.testing.assert_array_equal(
        read_volume(write_meta(tmp_path / "image.mha", voxels, ElementType=name)).voxels, voxels
    )


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress])
def test_packed_voxels_need_no_size_in_the_header(tmp_path, pack):
    """Old writers left it out."""
    path = tmp_path / "image.mha"
    path.write_bytes(meta_header(some_voxels(), CompressedData=True) + pack(some_voxels().tobytes()))
    np.testing.assert_array_equal(read_volume(path).voxels, some_voxels())


@pytest.mark.parametrize("more", [b"x", zlib.compress(b"")])
def test_nothing_follows_packed_voxels(tmp_path, more):
    path = tmp_path / "image.mha"
    packed = zlib.compress(some_voxels().tobytes())
    path.write_bytes(meta_header(some_voxels(), CompressedData=True) + packed + more)
    assert "something follows its packed voxels" in refusal(path)


def test_voxels_written_out_as_text_are_read(tmp_path):
    path = tmp_path / "image.mha"
    text = " ".join(map(str, some_voxels().ravel())).encode()
    path.write_bytes(meta_header(some_voxels(), BinaryData=False) + text)
    np.testing.assert_array_equal(read_volume(path).voxels, some_voxels(), strict=True)


def test_a_header_beside_its_data_names_it_in_several_ways(tmp_path):
    voxels = some_voxels()
    (tmp_path / "all.raw").write_bytes(b"1234567" + voxels.tobytes())
    for k, one in enumerate(voxels):
        (tmp_path / f"slice_{k:02}.raw").write_bytes(one.tobytes())
    names = "\n".join(f"slice_{k:02}.raw" for k in range(5))
    header = tmp_path / "image.mhd"
    for data_file, fields in [
        ("all.raw", {"HeaderSize": 7}),
        ("all.raw", {"HeaderSize": -1}),
        ("slice_%02d.raw 0 4 1", {}),
        (f"LIST\n{names}", {}),
        (f"LIST 2\n{names}\n", {}),
    ]:
        header.write_bytes(meta_header(voxels, **fields, ElementDataFile=data_file))
        np.testing.assert_array_equal(read_volume(header).voxels, voxels)
    (tmp_path / "slice_03.raw").unlink()
    assert "The data file 'slice_03.raw' of 'image.mhd' is missing" in refusal(header)
    header.write_bytes(meta_header(voxels, ElementDataFile="slice_00.raw"))
    assert "(in 'slice_00.raw': its header says 3x4x5 voxels, for which it is too short)" in refusal(header)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes with a name")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "image.mha")
    assert "is not a file but a folder, a pipe or a device" in refusal(tmp_path / "image.mha")
    os.mkfifo(tmp_path / "data.raw")
    (tmp_path / "image.mhd").write_bytes(meta_header(some_voxels(), ElementDataFile="data.raw"))
    assert "is not a file but a folder, a pipe or a device" in refusal(tmp_path / "image.mhd")


# places


@pytest.mark.parametrize("name", ["TransformMatrix", "Rotation", "Orientation"])
@pytest.mark.parametrize("origin", ["Offset", "Position", "Origin"])
def test_each_row_of_the_matrix_is_an_axis(tmp_path, name, origin):
    fields = {"TransformMatrix": None, "Offset": None, name: "0 1 0 0 0 1 1 0 0", origin: "1 2 3"}
    volume = read_volume(write_meta(tmp_path / "image.mha", some_voxels(), **fields))
    np.testing.assert_array_equal(volume.affine, [[0, 0, -2, -1], [-0.5, 0, 0, -2], [0, 1.5, 0, 3], [0, 0, 0, 1]])
    assert volume.notices == ()


@pytest.mark.parametrize(
    ("lacking", "silent"),
    [
        (["ElementSpacing"], NO_SPACING),
        (["TransformMatrix"], NO_AXES),
        (["Offset"], NO_ORIGIN),
        (["ElementSpacing", "TransformMatrix", "Offset"], f"{NO_SPACING}, {NO_AXES} and {NO_ORIGIN}"),
    ],
)
def test_what_a_header_does_not_say_is_told_in_one_notice(tmp_path, lacking, silent):
    volume = read_volume(write_meta(tmp_path / "image.mha", some_voxels(), **dict.fromkeys(lacking)))
    assert volume.notices == (f"The file does not say {silent}; check that this is right.",)
    assert volume.spacing == ((1, 1, 1) if "ElementSpacing" in lacking else (0.5, 1.5, 2))


def test_the_size_of_voxels_stands_in_for_their_distance(tmp_path):
    path = write_meta(tmp_path / "image.mha", some_voxels(), ElementSpacing=None, ElementSize="0.5 1.5 2")
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert volume.notices == (
        "The header says how large voxels are, not how far apart; their size was taken for both.",
    )


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"ElementSpacing": "nan 1 1"}, "spacing of 'image.mha' is not above 0"),
        ({"ElementSpacing": "0 1 1"}, "spacing of 'image.mha' is not above 0"),
        ({"ElementSpacing": "-1 1 1"}, "spacing of 'image.mha' is not above 0"),
        ({"ElementSpacing": "1e308 1 1"}, "sheared or not valid"),
        ({"ElementSpacing": "1 1"}, "is damaged"),
        ({"TransformMatrix": " ".join(["1e308"] * 9)}, "not of length 1"),
        ({"TransformMatrix": "2 0 0 0 1 0 0 0 1"}, "not of length 1"),
        ({"TransformMatrix": "0 0 0 0 1 0 0 0 1"}, "not of length 1"),
        ({"TransformMatrix": "nan 0 0 0 1 0 0 0 1"}, "not of length 1"),
        ({"TransformMatrix": "1 0 0 0.6 0.8 0 0 0 1"}, "sheared"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0"}, "is damaged"),
        ({"Offset": "1e308 0 0"}, "sheared or not valid"),
        ({"Offset": "a b c"}, "is damaged"),
        ({"NDims": "1e308"}, "is damaged"),
        ({"NDims": "9" * 18}, "is damaged"),
        ({"NDims": "-3"}, "is damaged"),
        ({"NDims": None}, "is damaged"),
        ({"DimSize": "3 4 6"}, "is too short"),
        ({"DimSize": "3 4 4"}, "holds more voxels"),
        ({"DimSize": "3 4 1e308"}, "is damaged"),
        ({"DimSize": "3 4 1e15"}, "is too short"),
        ({"DimSize": "3 4 nan"}, "is damaged"),
        ({"DimSize": "3 4 -5"}, "is damaged"),
        ({"ElementType": "MET_SHIRT"}, "is damaged"),
        ({"ElementType": "MET_FLOAT_ARRAY"}, "several values per voxel"),
        ({"ElementNumberOfChannels": 2}, "2 values per voxel"),
        ({"ElementNumberOfChannels": "1e308"}, "is damaged"),
        ({"ObjectType": "Tube"}, "is damaged"),
        ({"CompressedData": True}, "is damaged"),
        ({"CompressedData": True, "BinaryData": False}, "is damaged"),
        ({"HeaderSize": -2, "ElementDataFile": "image.mha"}, "is damaged"),
        ({"HeaderSize": 10**17, "ElementDataFile": "image.mha"}, "is too short"),
        ({"ElementDataFile": "slice_%d.raw 1 999999999999 1"}, "is damaged"),
        ({"ElementDataFile": ""}, "is damaged"),
        ({"ElementDataFile": "LIST"}, "is damaged"),
    ],
)
def test_nonsense_in_a_header_is_refused(tmp_path, fields, why):
    assert why in refusal(write_meta(tmp_path / "image.mha", some_voxels(), **fields))


def test_a_header_that_repeats_a_field_is_refused(tmp_path):
    path = tmp_path / "image.mha"
    path.write_bytes(b"NDims = 3\n" + meta_header(some_voxels()) + some_voxels().tobytes())
    assert "there twice" in refusal(path)


def test_a_size_of_the_packed_voxels_that_is_wrong_is_refused(tmp_path):
    path = write_meta(tmp_path / "image.mha", some_voxels(), packed=True, CompressedDataSize=7)
    assert "and its header says 7)" in refusal(path)
