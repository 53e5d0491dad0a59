"""Makes a collection, and adds, replaces and removes its cases. If a step fails, the collection stays as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from AttnSegLib.collections.changing import changing, write_collection
from AttnSegLib.collections.collection import (
    IMAGES,
    LABELS,
    MODALITIES,
    CollectedCase,
    Collection,
    LabelledSlices,
)
from AttnSegLib.collections.voxel_file import write_voxels_file
from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.images.orientation import slice_orientation
from AttnSegLib.images.planes import ACQUIRED
from AttnSegLib.images.volume import Volume, check_volume
from AttnSegLib.models.card import Label
from AttnSegLib.models.card_file import check_labels


@dataclass(frozen=True, eq=False)
class NewCase:
    """A scan and its labels, to become a case.

    Args:
        volume: the scan.
        label_map: (D, H, W), with the values of the collection's segments.
        labelled: the slices that count as labelled; None for all.
        absent: names of the segments that are really not in the scan, or not in these slices.
    """

    volume: Volume
    label_map: np.ndarray
    labelled: LabelledSlices | None = None
    absent: tuple[str, ...] = ()


def make_collection(folder: Path, name: str, modality: str, segments: Sequence[Label]) -> Collection:
    """Make a collection without cases.

    Args:
        folder: empty, or not there yet.
        name: as people call it.
        modality: "CT" or "MR".
        segments: numbered here as 1, 2, ... in this order.

    Raises:
        InputError: if the folder is not empty or can't be written to, if there is no such modality, or for names and
            codes that a collection can't have.
    """
    numbered = tuple(replace(label, value=value) for value, label in enumerate(segments, start=1))
    collection = Collection(name.strip(), modality, numbered, folder=folder)
    if modality not in MODALITIES:
        raise InputError(f"A collection's modality is one of {', '.join(MODALITIES)}, not '{modality}'.")
    if not collection.name or not collection.name.isprintable():
        raise InputError("A collection needs a name, of letters that can be shown.")
    if unprintable := [label.name for label in numbered if not label.name.isprintable()]:
        raise InputError(f"The name {unprintable[0]!r} of a segment can't be shown; correct it.")
    try:
        check_labels(numbered)
    except ValueError as error:
        raise InputError(f"The collection's segments don't fit ({error}); correct them.") from error
    try:
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"'{folder}' is not empty; give a new folder for the collection.")
        for part in (IMAGES, LABELS):
            (folder / part).mkdir(parents=True, exist_ok=True)
        write_collection(collection)
    except OSError as error:
        raise InputError(f"'{folder}' can't be written to ({cause_of(error)}); choose another folder.") from error
    return collection


def add_case(folder: Path, new: NewCase) -> CollectedCase:
    """Add a scan and its labels to the collection in a folder.

    Raises `InputError` if no model can be taught from them (see `_checked`), if the scan is a case already, if another
    process changes the collection, or if the disk is full. Then the collection is as it was before.
    """
    with changing(folder) as collection:
        case = _checked(collection, new, collection.next_number, 1)
        _write(collection, case, new)
        cases = (*collection.cases, case)
        write_collection(replace(collection, cases=cases, next_number=case.number + 1))
    return case


def replace_case(folder: Path, number: int, new: NewCase) -> CollectedCase:
    """Replace a case by another scan, or by the same with better labels. Raises `InputError` as `add_case` does, or if
    there is no such case."""
    with changing(folder) as collection:
        old = collection.case(number)
        case = _checked(collection, new, number, old.revision + 1)
        _write(collection, case, new)
        write_collection(replace(collection, cases=tuple(case if c is old else c for c in collection.cases)))
        _remove(collection, old)
    return case


def take_out(folder: Path, number: int) -> None:
    """Remove a case and its files. Its number is never used again. Raises `InputError` if there is no such case."""
    with changing(folder) as collection:
        old = collection.case(number)
        write_collection(replace(collection, cases=tuple(case for case in collection.cases if case is not old)))
        _remove(collection, old)


def joined(masks: Mapping[str, np.ndarray], segments: Sequence[Label]) -> np.ndarray:
    """The label map (D, H, W), uint8, of some masks.

    Args:
        masks: (D, H, W), bool, by the names of their segments.
        segments: of the collection.

    Raises:
        InputError: if two masks overlap, or if a name is not that of a segment.
    """
    values = {label.name: label.value for label in segments}
    if unknown := [name for name in masks if name not in values]:
        raise InputError(f"The collection has no segment '{unknown[0]}'; it has: {', '.join(values)}.")
    label_map = np.zeros(next(iter(masks.values())).shape, np.uint8)
    names = {label.value: label.name for label in segments}
    for name, mask in masks.items():
        if (taken := label_map[mask]).any():
            raise InputError(
                f"The segments '{names[int(taken.max())]}' and '{name}' overlap in {np.count_nonzero(taken)} voxels; "
                "let no voxel belong to two of them."
            )
        label_map[mask] = values[name]
    return label_map


def _checked(collection: Collection, new: NewCase, number: int, revision: int) -> CollectedCase:
    """The case that `new` becomes. Raises `InputError` if scan or labels are not valid, do not fit the collection, or
    belong to another case already."""
    check_volume(new.volume, "the scan")
    if new.volume.modality not in (None, collection.modality):
        raise InputError(
            f"The scan is {new.volume.modality} and the collection '{collection.name}' holds {collection.modality}; "
            "choose another collection."
        )
    _check_labels(collection, new)
    digest = new.volume.digest
    for case in collection.cases:
        if case.digest == digest and case.number != number:
            raise InputError(f"This scan is {case.id} of the collection already; replace that case instead.")
    absent = tuple(label.id for label in collection.segments if label.name in new.absent)
    d, h, w = new.label_map.shape
    return CollectedCase(number, revision, (d, h, w), digest, new.labelled, absent, new.volume.padding)


def _check_labels(collection: Collection, new: NewCase) -> None:
    label_map, volume = new.label_map, new.volume
    if label_map.shape != volume.voxels.shape:
        raise InputError(
            f"The labels lie on another grid than the scan ({label_map.shape} and {volume.voxels.shape} voxels); "
            "resample them first."
        )
    if new.labelled is not None:
        new.labelled.check(label_map.shape)
        label_map = label_map[new.labelled.region(label_map.shape).slices]
    found = set(np.unique(label_map).tolist()) - {0}
    if beyond := found - {label.value for label in collection.segments}:
        raise InputError(
            f"The labels hold the value {min(beyond)}, and the segments of the collection are 1 to "
            f"{len(collection.segments)}; correct the labels."
        )
    if not found:
        where = "in the slices that count as labelled" if new.labelled else "in it"
        raise InputError(f"Nothing is labelled {where}; segment the scan first.")
    _check_absent(collection, found, new.absent)
    if new.labelled is None:
        _refuse_one_slice(volume, label_map)


def _check_absent(collection: Collection, found: set[int], absent: Sequence[str]) -> None:
    names = {label.name: label.value for label in collection.segments}
    if unknown := [name for name in absent if name not in names]:
        raise InputError(f"The collection has no segment '{unknown[0]}'; it has: {', '.join(names)}.")
    if both := [name for name in absent if names[name] in found]:
        raise InputError(f"'{both[0]}' is labelled in the scan, so it is not absent; leave one of the two out.")
    if missing := [name for name, value in names.items() if value not in found and name not in absent]:
        raise InputError(f"'{missing[0]}' is empty; segment it, or say that this scan has none of it.")


def _refuse_one_slice(volume: Volume, label_map: np.ndarray) -> None:
    axis = slice_orientation(volume.affine, ACQUIRED).axes[0]
    filled = np.flatnonzero(label_map.any(axis=tuple(other for other in range(3) if other != axis)))
    if len(filled) == 1 and label_map.shape[axis] > 1:
        raise InputError(
            f"Only slice {filled[0]} has labels; segment the others, or say which slices count as labelled."
        )


def _write(collection: Collection, case: CollectedCase, new: NewCase) -> None:
    for part, voxels in ((IMAGES, new.volume.voxels), (LABELS, new.label_map.astype(np.uint8))):
        (collection.folder / part).mkdir(exist_ok=True)
        write_voxels_file(collection.folder / part / case.file, voxels, new.volume.affine)


def _remove(collection: Collection, case: CollectedCase) -> None:
    """Remove the files of a case. A file that can't be removed now is removed at the next change of the collection."""
    for part in (IMAGES, LABELS):
        with contextlib.suppress(OSError):
            (collection.folder / part / case.file).unlink()
