"""Keeps the slices of cases on disk as the network will see them. Training only maps these files into memory.

So a data set of any size can be used, all processes share one copy, and the GPU never waits for decoding.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from filelock import FileLock
from tqdm import tqdm

from AttnSegLib import __version__
from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Source
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.typed_json import OUTSIDE, from_json
from AttnSegLib.unfinished import whole_file
from training.learning.recipe import Recipe
from training.slices.case import Case, Labelled

_FORMAT = 3  # increase it for each change of the facts below, or of how readers read files
_AT_ONCE = 16  # slices made together; each of 512 x 512 pixels needs 11 MB meanwhile

Labels = tuple[tuple[int, ...], ...] | None


@dataclass(frozen=True)
class CachedCase:
    """The facts about a case that the cache keeps, and its files.

    Args:
        id: of the case.
        digest: SHA-256 of its voxels, to find the same image under two ids.
        size: height and width of a slice as the network sees it.
        stored: the index of each slice in the file of the case.
        counts: number of pixels of each label in each slice, as [slice][label - 1].
        images, targets: the files with slices and labels. They exist only if the case was prepared with slices.
    """

    id: str
    digest: str
    size: tuple[int, int]
    stored: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]
    images: Path = field(metadata=OUTSIDE)
    targets: Path = field(metadata=OUTSIDE)

    def slices(self) -> tuple[np.ndarray, np.ndarray]:
        """The slices (N, H, W), float16 in [0, 1], and their labels (N, H, W), uint8, mapped from disk.

        Raises `InputError` if a file is missing or damaged."""
        return self._mapped(self.images, np.float16), self._mapped(self.targets, np.uint8)

    def has_slices(self) -> bool:
        """Whether both files are there and fit this case."""
        try:
            self.slices()
        except InputError:
            return False
        return True

    def _mapped(self, path: Path, kind: type[np.generic]) -> np.ndarray:
        try:
            values: np.ndarray = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"'{path}' of the cache is missing or damaged; start again: it is made anew.") from error
        if values.dtype != np.dtype(kind) or values.shape != (len(self.stored), *self.size):
            raise InputError(f"'{path}' of the cache is not of its case; start again: it is made anew.")
        return values


class SliceCache:
    """The cached cases of one data set with one preprocessing. If either changes, another folder is used.

    Each slice is kept once, without neighbours and repeated channels. Raises `InputError` for a folder inside the data
    set, since the cache would then change the data set.
    """

    def __init__(self, folder: Path, root: Path, recipe: Recipe):
        if folder.resolve().is_relative_to(root.resolve()):
            raise InputError(f"'{folder}' lies inside the data set '{root}'; give a folder outside of it.")
        # Channels are made when slices are read.
        self._preprocessing: Preprocessing = replace(recipe.preprocessing, channels=1, neighbours=0)
        self._sources: Labels = recipe.dataset.labels
        self._num_labels = len(recipe.labels)
        what = [
            _FORMAT,
            __version__,
            asdict(recipe.dataset),
            asdict(self._preprocessing),
            self._num_labels,
            _fingerprint(root),
        ]
        self._folder = folder / hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

    def prepare(self, cases: Sequence[Case], *, slices: bool) -> None:
        """Cache all cases that are not cached yet. Other processes wait until this is done.

        Args:
            cases: of the data set.
            slices: keep the slices, too, and not only the facts.

        Raises:
            InputError: if a case can't be read, has a label that the recipe does not know, or looks blank with the
                recipe's window; or if the disk is full.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / "lock"):
                for case in tqdm(cases, "Preparing slices", unit="case", leave=False, disable=None):
                    known = self._known(case)
                    if known is None or (slices and not known.has_slices()):
                        self._write(case, slices=slices)
        except OSError as error:
            raise InputError(
                f"The slices can't be kept in '{self._folder}' ({cause_of(error)}); free some space, then start again."
            ) from error

    def cases(self, cases: Sequence[Case]) -> list[CachedCase]:
        """The cached form of cases. Raises `InputError` if a case was not prepared."""
        found = []
        for case in cases:
            known = self._known(case)
            if known is None:
                raise InputError(f"The cache '{self._folder}' has lost case '{case.id}'; start again.")
            found.append(known)
        return found

    def _write(self, case: Case, *, slices: bool) -> None:
        volume, label_map = case.read()
        label_map = relabelled(label_map, self._sources)
        if label_map.max() > self._num_labels:
            raise InputError(
                f"Case '{case.id}' holds label {label_map.max()}, but the recipe has labels 1 to {self._num_labels}; "
                "add it to the recipe's card, or leave it out by the labels of its dataset."
            )
        if label_map.any():  # a case without labels may be blank
            _refuse_a_blank(case, volume.voxels, self._preprocessing.window)
        stack = SliceStack.of(volume, self._preprocessing)
        counts = [
            [int((one == label).sum()) for label in range(1, self._num_labels + 1)] for one in stack.view(label_map)
        ]
        if slices:
            self._write_slices(case, stack, label_map)
        stored = [stack.orientation.stored_index(number, label_map.shape) for number in range(len(stack))]
        facts = {"id": case.id, "digest": volume.digest, "size": stack.model_size, "stored": stored, "counts": counts}
        with whole_file(self._path(case, "json")) as file:
            file.write(json.dumps(facts).encode())

    def _write_slices(self, case: Case, stack: SliceStack, label_map: np.ndarray) -> None:
        images, targets = self._files(case)
        shape = (len(stack), *stack.model_size)
        with whole_file(images) as image_file, whole_file(targets) as target_file:
            _write_header(image_file, np.float16, shape)
            _write_header(target_file, np.uint8, shape)
            for first in range(0, len(stack), _AT_ONCE):
                numbers = list(range(first, min(first + _AT_ONCE, len(stack))))
                image_file.write(stack.single_slices(numbers).numpy().astype(np.float16).tobytes())
                labels = stack.targets(label_map, numbers, self._num_labels)
                target_file.write(labels.numpy().astype(np.uint8).tobytes())

    def _known(self, case: Case) -> CachedCase | None:
        """The cached form of a case; None if it is missing or damaged, so that it is made again."""
        images, targets = self._files(case)
        try:
            facts = json.loads(self._path(case, "json").read_bytes())
            known = from_json(CachedCase, facts, images=images, targets=targets)
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        sizes = {len(counts) for counts in known.counts}
        fits = known.id == case.id and len(known.counts) == len(known.stored) and sizes <= {self._num_labels}
        return known if fits else None

    def _files(self, case: Case) -> tuple[Path, Path]:
        return self._path(case, "images.npy"), self._path(case, "targets.npy")

    def _path(self, case: Case, suffix: str) -> Path:
        name = "".join(c if c.isalnum() or c in "-_" else "_" for c in case.id)
        short = hashlib.sha256(case.id.encode()).hexdigest()[:6]  # for ids whose names are the same
        return self._folder / f"{name}-{short}.{suffix}"


def _refuse_a_blank(case: Case, voxels: np.ndarray, window: tuple[float, float] | None) -> None:
    lowest, highest = voxels.min(), voxels.max()
    lower, upper = window or (-np.inf, np.inf)
    if lowest == highest or highest <= lower or lowest >= upper:
        seen = f"the window from {lower:g} to {upper:g}" if window else "every range of intensities"
        raise InputError(
            f"Case '{case.id}' is blank in {seen}: its intensities are {lowest:g} to {highest:g}; correct the image "
            "or the window in the recipe's preprocessing."
        )


def _write_header(file: BinaryIO, kind: type[np.generic], shape: tuple[int, ...]) -> None:
    """Write the header of a file for `np.load`, before its values. Writing into a memory map would be simpler, but ends
    the process if the disk is full."""
    description = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, description)


def read_labelled(case: Case, source: Source) -> Labelled:
    """Read a case, with the labels of the model instead of those of the data set."""
    volume, label_map = case.read()
    return Labelled(volume, relabelled(label_map, source.labels))


def relabelled(label_map: np.ndarray, sources: Labels) -> np.ndarray:
    """A label map with the labels of the model instead of those of the data set. sources: as `Source.labels`."""
    if sources is None:
        return label_map
    table = np.zeros(256, np.uint8)
    for label, values in enumerate(sources, start=1):
        table[list(values)] = label
    return np.asarray(table[label_map])


def _fingerprint(root: Path) -> list[tuple[str, int, int]]:
    """Name, size and date of each file of a data set. If it changes, they do."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return [(str(path.relative_to(root)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]


def to_tensor(array: np.ndarray) -> torch.Tensor:
    """A copy of an array as a tensor, made by DLPack, which works even if torch was built for another numpy."""
    return torch.from_dlpack(np.array(array))
