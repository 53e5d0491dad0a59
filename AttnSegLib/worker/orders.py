"""How orders come about: whatever the worker needs is laid into shared memory, in pieces."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from AttnSegLib.images.orientation import slice_orientation
from AttnSegLib.images.volume import Volume
from AttnSegLib.worker import protocol
from AttnSegLib.worker.job import Job
from AttnSegLib.worker.messages import Block, CheckOrder, CompareOrder, Order, Request, Row, SegmentOrder
from AttnSegLib.worker.pieces import InPieces, fill


class SharedVoxels:
    """The voxels that the worker holds, for as long as the same `Volume` comes again. block: where they are."""

    def __init__(self) -> None:
        self.block = Block("", (), "")
        self._volume: Volume | None = None
        self._named: list[protocol.Memory] = []  # to be let go when the worker has attached it

    def share(self, volume: Volume) -> InPieces[Block]:
        """Copy the voxels of a volume, if they are others. Raises `InputError` if there is not enough shared memory."""
        if volume is not self._volume:
            self.forget()
            memory, array = yield from protocol.create_block(volume.voxels.shape, volume.voxels.dtype)
            self._named.append(memory)
            yield from fill(array, volume.voxels)
            self.block, self._volume = protocol.describe_block(memory, array), volume
        return self.block

    def let_go(self) -> None:
        """The worker has attached them, and holds them alone from now on."""
        named, self._named = self._named, []
        for memory in named:
            memory.unlink()
            with contextlib.suppress(BufferError):  # an error on its way holds the array; the memory goes with it
                memory.close()

    def forget(self) -> None:
        """Copy them again the next time, since nobody knows whether the worker has them."""
        self._volume = None
        self.let_go()


def segment_order(job: Job, shared: SharedVoxels, volume: Volume, request: Request) -> InPieces[Order]:
    """To run a model."""
    shape, options = volume.voxels.shape, request.options
    voxels = yield from shared.share(volume)
    attention: dict[str, Block] = {}
    probabilities: dict[int, Block] = {}
    painted: dict[str, Block] = {}
    job.label_map, label_map = yield from job.share(shape, np.uint8)
    for title in options.attention:
        job.attention[title], attention[title] = yield from job.share(shape, np.float16)
    for label in request.spec.labels if options.probabilities else ():
        job.probabilities[label.value], probabilities[label.value] = yield from job.share(shape, np.float16)
    seen = _seen_slices(volume, request)
    for title, values in options.painted.items():
        kind = np.uint8 if values.dtype == np.uint8 else np.float32  # masks are large enough as they are
        array, painted[title] = yield from job.share(values.shape, kind)
        yield from fill(array[seen], values[seen])  # of one slice of a large volume it is little
    return SegmentOrder(
        job.number,
        request,
        folder=str(request.spec.folder.absolute()),
        voxels=voxels,
        affine=_rows(volume.affine),
        modality=volume.modality,
        padding=volume.padding,
        label_map=label_map,
        attention=attention,
        probabilities=probabilities,
        painted=painted,
    )


def compare_order(
    job: Job, reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, float, float]
) -> InPieces[Order]:
    """To compare two masks."""
    blocks = []
    for mask in (reference, prediction):
        array, block = yield from job.share(mask.shape, np.uint8)
        yield from fill(array, mask > 0)
        blocks.append(block)
    return CompareOrder(job.number, blocks[0], blocks[1], spacing)


def check_order(job: Job) -> InPieces[Order]:
    """To run the self-check, which needs no memory."""
    yield from ()
    return CheckOrder(job.number)


def _seen_slices(volume: Volume, request: Request) -> Any:
    """The part of an array on the volume's grid that is predicted, in whole slices."""
    region = request.options.region
    if region is None:
        return ...
    axis = slice_orientation(volume.affine, request.spec.plane).axes[0]
    return region.whole_slices(axis, volume.voxels.shape).slices


def _rows(affine: np.ndarray) -> tuple[Row, Row, Row, Row]:
    first, second, third, fourth = ((float(a), float(b), float(c), float(d)) for a, b, c, d in affine)
    return first, second, third, fourth
