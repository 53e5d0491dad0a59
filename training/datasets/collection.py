"""Reads a collection of the user's own segmentations, as `attnseg collect` and the panel make it.

If only some slices of a scan count as labelled, only these are read. See AttnSegLib/collections.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from AttnSegLib.collections.collection import CollectedCase, Collection, open_collection
from training.slices.case import Case, Labelled

SOURCE = "Make a collection by 'attnseg collect new', add cases to it, and give its folder."
LABELS: dict[int, str] = {}  # the collection says it


def cases(root: Path) -> list[Case]:
    """The cases in the order of the collection. Each counts as another patient. Raises `InputError` if there is no
    collection in the folder."""
    collection = open_collection(root)
    return [Case(case.id, case.id, partial(_read, collection, case)) for case in collection.cases]


def _read(collection: Collection, case: CollectedCase) -> Labelled:
    return Labelled(*collection.read_labelled_part(case))
