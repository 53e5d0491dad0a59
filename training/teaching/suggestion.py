"""Suggests the scan to label next: the one about which the model is least sure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from AttnSegLib.collections.collection import Collection
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import SUFFIXES, Volume, read_volume
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.results.slices_to_check import doubt


@dataclass(frozen=True)
class Doubted:
    """A scan that is not labelled yet. doubt: how unsure the model is, 0 to 1, as `slices_to_check.doubt` gives it."""

    path: Path
    doubt: float


def suggest(
    collection: Collection, scans: Path, predictor: SlicePredictor, say: Callable[[str], None]
) -> list[Doubted]:
    """Predict the scans in a folder that are not in the collection. The one that is least sure comes first.

    Args:
        collection: its scans are left out.
        scans: a folder that holds files, and folders with DICOM series.
        predictor: runs the model.
        say: a function that gets a sentence for each scan that can't be read.

    Raises:
        InputError: if the folder holds no scan that is not in the collection.
    """
    known = {case.digest for case in collection.cases}
    found = []
    for path, volume in _readable(scans, say):
        if volume.digest not in known:
            prediction = predictor.predict(volume)
            orientation = prediction.stack.orientation
            found.append(Doubted(path, doubt(prediction.label_map, orientation, prediction.expected_error)))
    if not found:
        raise InputError("The folder holds no scan that is not in the collection already; give another folder.")
    return sorted(found, key=lambda one: -one.doubt)


def _readable(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[Path, Volume]]:
    if not folder.is_dir():
        raise InputError(f"There is no folder '{folder}'; give the folder of the scans.")
    for path in sorted(folder.glob("[!.]*")):
        if path.is_dir() or path.name.lower().endswith(SUFFIXES):
            try:
                yield path, read_volume(path)
            except InputError as error:
                say(f"Left out: {error}")
