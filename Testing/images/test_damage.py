"""Damage on the way: what is under a checksum or a length never comes out otherwise than it went in."""

import gzip

import numpy as np
import pytest
from made_up.files import meta_header, nrrd_header, some_voxels, write_meta, write_nifti, write_nrrd
from made_up.mutations import Mutation, a_ball, mutations, originals
from made_up.refusals import refusal
from mutated_inputs import outcomes

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_label_map, read_volume

WHOLE = np.random.default_rng(0).integers(0, 1000, (6, 20, 30)).astype("<i2")


def packed_meta_beside(folder, voxels):
    """An .mhd file, and its packed voxels in a .zraw file."""
    whole = write_meta(folder / "whole.mha", voxels, packed=True).read_bytes()
    (folder / "image.zraw").write_bytes(whole[whole.index(b"LOCAL\n") + 6 :])
    fields = {"CompressedData": True, "CompressedDataSize": (folder / "image.zraw").stat().st_size}
    (folder / "image.mhd").write_bytes(meta_header(voxels, **fields, ElementDataFile="image.zraw"))
    return folder / "image.mhd"


def packed_nrrd_beside(folder, voxels):
    """An .nhdr file, and its packed voxels in a .raw.gz file."""
    (folder / "image.raw.gz").write_bytes(gzip.compress(voxels.tobytes()))
    (folder / "image.nhdr").write_bytes(nrrd_header(voxels, encoding="gzip", data_file="image.raw.gz"))
    return folder / "image.nhdr"


WRITERS = {
    "nii.gz": lambda folder, voxels: write_nifti(folder / "image.nii.gz", voxels),
    "nrrd, gzip": lambda folder, voxels: write_nrrd(folder / "image.nrrd", voxels, "gzip"),
    "nrrd, bzip2": lambda folder, voxels: write_nrrd(folder / "image.nrrd", voxels, "bzip2"),
    "nhdr": packed_nrrd_beside,
    "mha": lambda folder, voxels: write_meta(folder / "image.mha", voxels, packed=True),
    "mhd": packed_meta_beside,
}


def packed_part(path):
    """The file that holds the packed voxels, and where they begin."""
    beside = {".nhdr": "image.raw.gz", ".mhd": "image.zraw"}.get(path.suffix)
    if beside:
        return path.with_name(beside), 0
    mark = {".nrrd": b"\n\n", ".mha": b"LOCAL\n"}.get(path.suffix, b"")
    return path, path.read_bytes().index(mark) + len(mark)


@pytest.mark.parametrize("form", WRITERS)
def test_no_bit_of_packed_voxels_changes_them_unseen(tmp_path, form):
    path = WRITERS[form](tmp_path, WHOLE)
    np.testing.assert_array_equal(read_volume(path).voxels, WHOLE)
    file, start = packed_part(path)
    content = file.read_bytes()
    refused = []
    for place in np.random.default_rng(1).integers(start, len(content), 60):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(place) % 8
        file.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(read_volume(path).voxels, WHOLE)  # some bits of gzip's header mean nothing
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 50
    assert all("is damaged, truncated or not what its name says" in message for message in refused)


@pytest.mark.parametrize("form", WRITERS)
def test_a_block_of_zeros_and_a_cut_are_refused(tmp_path, form):
    path = WRITERS[form](tmp_path, WHOLE)
    file, start = packed_part(path)
    content = file.read_bytes()
    middle = (start + len(content)) // 2
    for damaged in (
        content[:middle] + bytes(100) + content[middle + 100 :],
        content[:middle],
        content[:-1],
        content + b"behind",
    ):
        file.write_bytes(damaged)
        assert "is damaged" in refusal(path)


@pytest.mark.parametrize("form", WRITERS)
def test_label_maps_are_read_with_the_same_care(tmp_path, form):
    labels = (WHOLE % 3).astype("u1")
    path = WRITERS[form](tmp_path, labels)
    volume = read_volume(path)
    np.testing.assert_array_equal(read_label_map(path, volume), labels)
    file, start = packed_part(path)
    content = bytearray(file.read_bytes())
    content[(start + len(content)) // 2] ^= 0x55
    file.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        read_label_map(path, volume)


def test_damage_in_a_file_beside_its_header_names_that_file(tmp_path):
    path = packed_meta_beside(tmp_path, WHOLE)
    (tmp_path / "image.zraw").write_bytes((tmp_path / "image.zraw").read_bytes()[:-9])
    assert "(in 'image.zraw': its packed voxels take" in refusal(path)


def test_what_unpacks_without_end_is_refused_early(tmp_path):
    """A thousandfold more than its header says."""
    path = tmp_path / "image.nrrd"
    path.write_bytes(nrrd_header(some_voxels(), encoding="gzip") + b"\n" + gzip.compress(bytes(50_000_000)))
    assert "holds more voxels than its header says" in refusal(path)


def test_more_than_a_file_can_hold_is_never_allocated(tmp_path, monkeypatch):
    def no_memory(*_args, **_kwargs):
        raise AssertionError("memory was asked for")

    sizes = (9999, 9999, 9999)
    claims = [
        write_nifti(tmp_path / "image.nii.gz", some_voxels(), dim=(3, *sizes, 1, 1, 1, 1)),
        write_nrrd(tmp_path / "image.nrrd", some_voxels(), "gzip", sizes="9999 9999 9999"),
        write_nrrd(tmp_path / "bzip2.nrrd", some_voxels(), "bzip2", sizes="9999 9999 9999"),
        write_meta(tmp_path / "image.mha", some_voxels(), packed=True, DimSize="9999 9999 9999"),
    ]
    monkeypatch.setattr(np, "empty", no_memory)
    for path in claims:
        assert "its header says 9999x9999x9999 voxels, for which it is too short" in refusal(path)


@pytest.mark.slow
def test_nothing_that_was_changed_at_random_is_believed_or_ends_the_process():
    """In a child process with limits. Large numbers of files: python -m mutated_inputs."""
    found = [mutation for whole in originals() for mutation in mutations(whole, 12, seed=1)]
    bad = {
        mutation.name: outcome
        for mutation, outcome in zip(found, outcomes(found), strict=True)
        if outcome[0] not in ("read as it was", "read otherwise", "refused")
    }
    assert not bad


@pytest.mark.slow
def test_a_file_that_is_believed_although_it_was_changed_is_found_out(tmp_path):
    """The test above can fail."""
    changed = a_ball()
    changed[0, 0, 0] += 1
    content = write_nifti(tmp_path / "image.nii", changed).read_bytes()
    (outcome,) = outcomes([Mutation("image.nii", content, is_told=True)])
    assert outcome[0] == "accepted although damaged"
