"""What the commands of `attnseg collect` do."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from AttnSegLib.collections.cases import NewCase, add_case, make_collection, replace_case, take_out
from AttnSegLib.collections.collection import CollectedCase, LabelledSlices, open_collection
from AttnSegLib.collections.elsewhere import zip_collection
from AttnSegLib.collections.matching import STRUCTURE, UNSAID
from AttnSegLib.errors import InputError, printable
from AttnSegLib.images.orientation import slice_orientation
from AttnSegLib.images.planes import ACQUIRED
from AttnSegLib.images.volume import Volume, read_label_map, read_volume
from AttnSegLib.models.card import Code, Label
from AttnSegLib.models.catalog import find_model

_COLORS = ((221, 130, 101), (120, 190, 90), (88, 141, 201), (244, 214, 49), (152, 80, 160), (111, 184, 210))


def _new(options: argparse.Namespace) -> int:
    segments = find_model(options.like).labels if options.like else tuple(map(_segment, enumerate(options.segment)))
    make_collection(options.folder, options.name, options.modality, segments)
    print(f"Made the collection '{options.name}' in {printable(str(options.folder.resolve()))}/")
    return 0


def _add(options: argparse.Namespace) -> int:
    case = add_case(options.folder, _new_case(options))
    print(f"Added {case.id}.")
    return 0


def _replace(options: argparse.Namespace) -> int:
    print(f"Replaced {replace_case(options.folder, options.number, _new_case(options)).id}.")
    return 0


def _remove(options: argparse.Namespace) -> int:
    take_out(options.folder, options.number)
    print(f"Took case {options.number} out.")
    return 0


def _list(options: argparse.Namespace) -> int:
    collection = open_collection(options.folder)
    segments = ", ".join(label.name for label in collection.segments)
    count = len(collection.cases)
    print(f"{collection.name} in {collection.modality}: {segments}; {count} case{'s' * (count != 1)}")
    for case in collection.cases:
        print(f"  {_described(case)}")
    return 0


def _zip(options: argparse.Namespace) -> int:
    command = zip_collection(options.folder, options.file)
    print(
        f"Wrote {printable(str(options.file))}. On the other computer, after pip install --editable '.[train]' in a "
        f"checkout of AttnSeg:\n  {command}"
    )
    return 0


def _described(case: CollectedCase) -> str:
    shown = f"{case.id}  {' x '.join(map(str, case.shape[::-1]))} voxels"
    if case.labelled is not None:
        shown += f", slices {case.labelled.first} to {case.labelled.last} labelled"
    return shown + (f", without {', '.join(case.absent)}" if case.absent else "")


def _segment(numbered: tuple[int, str]) -> Label:
    """The segment that NAME or NAME=CODE stands for."""
    number, text = numbered
    name, _, code = text.partition("=")
    kind = Code("SCT", code.strip(), name.strip()) if code.strip() else UNSAID
    return Label(number + 1, name.strip(), _COLORS[number % len(_COLORS)], STRUCTURE, kind)


def _new_case(options: argparse.Namespace) -> NewCase:
    volume = read_volume(options.image)
    for notice in volume.notices:
        print(f"Note: {notice}")
    label_map = read_label_map(options.labels, volume)
    return NewCase(volume, label_map, _labelled(options.slices, volume), tuple(options.without))


def _labelled(text: str | None, volume: Volume) -> LabelledSlices | None:
    """The slices that a text such as "12-30" names; None for None. They are counted along the axis of acquisition.

    Raises `InputError` for any other text."""
    if text is None:
        return None
    first, sign, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and sign):
        raise InputError(f"'{text}' is not a range of slices; write it as 12-30.")
    return LabelledSlices(slice_orientation(volume.affine, ACQUIRED).axes[0], int(first), int(last))


ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "new": _new,
    "add": _add,
    "replace": _replace,
    "remove": _remove,
    "list": _list,
    "zip": _zip,
}
