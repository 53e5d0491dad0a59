"""A collection as typed classes, and how it is read.

Its folder holds collection.json, images/case_001_r1.nrrd, labels/case_001_r1.nrrd and so on. Cases are numbered, and
nothing in the folder says whose they are. The number after the r grows when a case is replaced.
`training.datasets.folder` can read the two folders, too, but does not know which slices are labelled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np

from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import Volume, read_label_map, read_volume
from AttnSegLib.models.card import Count, Label
from AttnSegLib.models.card_file import check_labels
from AttnSegLib.typed_json import OUTSIDE, Between, from_json

COLLECTION = "collection.json"
IMAGES, LABELS = "images", "labels"
FORMAT = 1  # of the file; increase it for a change that an older reader would misunderstand
MODALITIES = ("CT", "MR")


@dataclass(frozen=True)
class LabelledSlices:
    """The slices of a scan that count as labelled. Nothing is learnt from the others.

    Args:
        axis: the array axis along which slices are counted: 0 to 2 for k, j, i.
        first, last: the first and the last of them, from 0, in the order in which the file stores slices.
    """

    axis: Annotated[int, Between(0, 2)]
    first: Count
    last: Count

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises `InputError` if a volume of this shape (D, H, W) has no such slices."""
        if self.last < self.first:
            raise InputError(f"Labelled slices end at {self.last}, before {self.first}, where they begin; swap them.")
        if not 0 <= self.first <= self.last < shape[self.axis]:
            raise InputError(
                f"Slices {self.first} to {self.last} are not among the scan's 0 to {shape[self.axis] - 1}; correct "
                "which of them count as labelled."
            )

    def region(self, shape: tuple[int, ...]) -> Region:
        """The box of these slices in a volume of this shape (D, H, W)."""
        whole = Region((0, 0, 0), (shape[0], shape[1], shape[2]))
        return whole.cut(self.axis, self.first, self.last + 1)


@dataclass(frozen=True)
class CollectedCase:
    """One scan with its labels.

    Args:
        number: no two cases ever have the same.
        revision: how often the files of the case were written.
        shape: (D, H, W).
        digest, padding: as in `Volume`.
        labelled: the slices that count as labelled; None for all.
        absent: ids of the segments that are really not in it.
    """

    number: Annotated[int, Between(1, 99999)]
    revision: Annotated[int, Between(1, 1e6)]
    shape: tuple[Count, Count, Count]
    digest: str
    labelled: LabelledSlices | None = None
    absent: tuple[str, ...] = ()
    padding: float | None = None

    @property
    def id(self) -> str:
        """The name of the case in tables and on cards, such as "case_001"."""
        return f"case_{self.number:03}"

    @property
    def file(self) -> str:
        """The file name of its image, and of its label map."""
        return f"{self.id}_r{self.revision}.nrrd"


@dataclass(frozen=True)
class Collection:
    """What `collection.json` says, and where it lies.

    Args:
        name: as people call it.
        segments: of its label maps, numbered 1, 2, ...
        next_number: the number that the next case will have.
        folder: where the collection lies. It is not in the file.
    """

    name: str
    modality: str
    segments: tuple[Label, ...]
    cases: tuple[CollectedCase, ...] = ()
    next_number: Annotated[int, Between(1, 99999)] = 1
    folder: Path = field(default=Path(), compare=False, metadata=OUTSIDE)

    def case(self, number: int) -> CollectedCase:
        """The case with this number. Raises `InputError` if there is none."""
        for case in self.cases:
            if case.number == number:
                return case
        raise InputError(f"The collection '{self.name}' has no case {number}; 'attnseg collect list' shows them.")

    def read(self, case: CollectedCase) -> tuple[Volume, np.ndarray]:
        """The whole volume of a case, and its label map (D, H, W). Raises `InputError` for missing or damaged files."""
        volume = read_volume(self.folder / IMAGES / case.file)
        volume = replace(volume, modality=self.modality, padding=case.padding)
        if volume.voxels.shape != case.shape:
            raise InputError(
                f"The image of {case.id} in '{self.folder}' is another one than when it was added; replace the case."
            )
        return volume, read_label_map(self.folder / LABELS / case.file, volume)

    def read_labelled_part(self, case: CollectedCase) -> tuple[Volume, np.ndarray]:
        """Like `read`, but only with the slices that count as labelled."""
        volume, label_map = self.read(case)
        if case.labelled is None:
            return volume, label_map
        region = case.labelled.region(label_map.shape)
        return volume.part(region), label_map[region.slices]


def open_collection(folder: Path) -> Collection:
    """Read the collection in a folder. Raises `InputError` if there is none, or it is damaged or has a newer format."""
    path = folder / COLLECTION
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or type(content.get("format")) is not int:
            raise ValueError("it has no format number")
        if content["format"] <= FORMAT:
            return _checked(from_json(Collection, content, folder=folder))
    except FileNotFoundError as error:
        raise InputError(
            f"There is no collection in '{folder}': it was moved, its drive is not connected, or it was never made; "
            "choose its folder, or make one ('attnseg collect new')."
        ) from error
    except OSError as error:
        raise InputError(f"The collection in '{folder}' can't be read ({cause_of(error)}); check the drive.") from error
    except (ValueError, RecursionError) as error:
        reason = "it is not JSON" if isinstance(error, json.JSONDecodeError) else error
        raise InputError(f"'{path}' is damaged ({reason}); restore it from a copy.") from error
    raise InputError(f"The collection in '{folder}' has a newer format than this AttnSeg can read; update AttnSeg.")


def _checked(collection: Collection) -> Collection:
    """Raises `ValueError` for values that have the right type but make no sense."""
    check_labels(collection.segments)
    numbers = [case.number for case in collection.cases]
    if len(set(numbers)) < len(numbers) or max(numbers, default=0) >= collection.next_number:
        raise ValueError("its cases must have numbers, each another one, below the next number")
    for case in collection.cases:
        if case.labelled is not None:
            case.labelled.check(case.shape)
    return collection
