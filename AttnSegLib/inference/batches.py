"""Which slices a prediction needs, reading them ahead of the network, and writing its results back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import Region
from AttnSegLib.inference.engines.engine import Answer
from AttnSegLib.inference.prediction import AttentionNumbers, Canvas, ChannelMeans, Peaks, PredictionOptions
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.networks.replacement import PAINTED


@dataclass(frozen=True, eq=False)
class Plan:
    """What one prediction does.

    Args:
        stack: the slices of the volume.
        numbers: which of them are predicted, in this order.
        bounds: the rows and the columns of each slice that are written.
        point: where a query's point lies, as shares of the height and the width of a slice; None without a query.
    """

    stack: SliceStack
    numbers: list[int]
    bounds: tuple[slice, slice]
    point: tuple[float, float] | None

    @classmethod
    def of(cls, stack: SliceStack, options: PredictionOptions) -> Plan:
        """What the options ask for. Raises `InputError` for a region or a query outside the volume."""
        shape = stack.volume.voxels.shape
        region = options.region or Region((0, 0, 0), shape)
        region.check(shape)
        axis = stack.axes[0]
        point = None
        if options.query is not None:
            Region(options.query, tuple(v + 1 for v in options.query)).check(shape)  # type: ignore[arg-type]
            region = region.cut(axis, options.query[axis], options.query[axis] + 1)
            point = stack.place(options.query)
        bounds = stack.orientation.view_bounds(region, shape)
        numbers = list(range(bounds[0].start, bounds[0].stop))
        if options.start is not None:
            first = stack.orientation.stored_index(options.start, shape)
            numbers.sort(key=lambda number: abs(number - first))
        return cls(stack, numbers, bounds[1:], point)

    def read_ahead(self, wanted: list[int], size: int, *, pinned: bool) -> Iterator[InputSlices]:
        """The wanted slices, `size` at a time. A thread reads the next ones while the caller uses the last.

        pinned: put them into page-locked memory, from which a GPU copies while the CPU goes on.
        """

        def read(numbers: list[int]) -> InputSlices:
            pixels, ranges = self.stack.read(numbers)
            return InputSlices(numbers, pixels.pin_memory() if pinned else pixels, ranges)

        parts = [wanted[first : first + size] for first in range(0, len(wanted), size)]
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(read, parts[0])
            for part in parts[1:]:
                ready, coming = coming.result(), reader.submit(read, part)
                yield ready
            yield coming.result()

    def write(self, canvas: Canvas, batch: Batch) -> list[int]:
        """Write a batch into the arrays of results. Returns the stored indices of its slices."""
        batch.wait()
        rows, columns = self.bounds
        shape = canvas.label_map.shape

        def put(target: np.ndarray, values: Tensor) -> None:
            by_slice = np.from_dlpack(values)  # DLPack works where torch was built for another numpy
            self.stack.view(target)[batch.numbers, rows, columns] = by_slice[:, rows, columns]

        put(canvas.label_map, batch.labels)
        for title, values in batch.maps.items():
            put(canvas.attention[title], values)
        for label, values in batch.probabilities.items():
            put(canvas.probabilities.setdefault(label, np.zeros(shape, np.float16)), values)
        return [self.stack.orientation.stored_index(number, shape) for number in batch.numbers]


def check_painted(options: PredictionOptions, stack: SliceStack) -> None:
    """Raises `InputError` if the array of a map that is "painted" or "erased" is missing, is not on the volume's grid
    (D, H, W), or holds other numbers than those from 0 to 1 in the slices that are predicted."""
    shape = stack.volume.voxels.shape
    for one in options.replaced:
        if one.how not in PAINTED:
            continue
        array = options.painted.get(one.map)
        if array is None or array.shape != shape:
            raise InputError(f"What takes the place of '{one.map}' must be an array on the volume's grid, {shape}.")
        region = options.region and options.region.whole_slices(stack.axes[0], shape)
        part = array[region.slices] if region else array
        if not ((part >= 0) & (part <= 1)).all():
            raise InputError(f"What takes the place of '{one.map}' must hold numbers from 0 to 1.")


def painted_slices(stack: SliceStack, options: PredictionOptions, numbers: list[int]) -> dict[str, Tensor]:
    """By title (n, 1, H, W) at the size that the network sees, of the slices with these numbers."""
    found = {}
    for title, array in options.painted.items():
        slices = torch.from_dlpack(stack.view(array)[numbers].astype(np.float32))
        found[title] = stack.at_model_size(slices[:, None])
    return found


@dataclass(frozen=True, eq=False)
class InputSlices:
    """Some slices of the stack: their numbers, and what `SliceStack.read` gives for them."""

    numbers: list[int]
    pixels: Tensor
    ranges: Tensor


@dataclass(frozen=True, eq=False)
class RecordedNumbers:
    """Of some slices, by title: largest (n,) and places of self-attention, see `Peaks`; channels (n, C); entropies (n,)
    of attention between channels, as shares of that of even attention."""

    largest: dict[str, Tensor]
    places: dict[str, int]
    channels: dict[str, Tensor]
    entropies: dict[str, Tensor]

    @classmethod
    def of(cls, answer: Answer, slices: int) -> RecordedNumbers:
        """Of the first so many slices of an answer."""
        vectors = {title: values[:slices].float() for title, values in answer.vectors.items()}
        between = {title: rows for title, rows in vectors.items() if rows.ndim == 3}
        return cls(
            {title: values[:slices].float() for title, values in answer.largest.items()},
            {title: answer.maps[title][0].numel() for title in answer.largest},
            {title: values.mean(dim=1) if values.ndim == 3 else values for title, values in vectors.items()},
            {title: _entropy(rows) for title, rows in between.items()},
        )

    def moved(self, move: Callable[[Tensor], Tensor]) -> RecordedNumbers:
        """Elsewhere."""
        tensors = ({t: move(v) for t, v in part.items()} for part in (self.largest, self.channels, self.entropies))
        largest, channels, entropies = tensors
        return RecordedNumbers(largest, self.places, channels, entropies)


def _entropy(rows: Tensor) -> Tensor:
    """(n, C, C), whose rows sum to 1: mean entropy of the rows (n,), 1 if all are even."""
    logarithms = rows.clamp_min(torch.finfo(rows.dtype).tiny).log()
    return -(rows * logarithms).sum(dim=-1).mean(dim=-1) / max(math.log(rows.shape[-1]), 1e-9)


class Gathered:
    """What batches say that is not written into arrays. errors: as `Prediction.expected_error`."""

    def __init__(self) -> None:
        self.errors: dict[int, float] = {}
        self._parts: list[tuple[list[int], RecordedNumbers]] = []

    def take(self, stored: list[int], batch: Batch) -> None:
        """Keep what a batch says. stored: indices of its slices.

        Raises `InputError` if the error of a slice is NaN: its output would pass for background.
        """
        told = dict(zip(stored, batch.expected_error.tolist(), strict=True))
        if nonsense := [index for index, error in told.items() if math.isnan(error)]:
            raise InputError(
                f"The network's output for slice {nonsense[0]} is not finite: the scan's intensities or the model's "
                "weights are out of all bounds; check the scan, or get the model again."
            )
        self.errors.update(told)
        self._parts.append((stored, batch.recorded))

    @property
    def numbers(self) -> AttentionNumbers:
        """Of all slices."""
        parts = [part for _, part in self._parts]
        peaks, channels = {}, {}
        for title, places in (parts[0].places if parts else {}).items():
            pairs = (zip(stored, part.largest[title].tolist(), strict=True) for stored, part in self._parts)
            peaks[title] = Peaks(places, {index: value for pair in pairs for index, value in pair})
        for title in parts[0].channels if parts else ():
            means = torch.cat([part.channels[title] for part in parts]).mean(dim=0).tolist()
            entropies = [part.entropies[title] for part in parts if title in part.entropies]
            evenness = float(torch.cat(entropies).mean()) if entropies else None
            channels[title] = ChannelMeans(tuple(means), evenness)
        return AttentionNumbers(peaks, channels)


@dataclass(frozen=True, eq=False)
class Batch:
    """What a network says about some slices, on the volume's own grid.

    Args:
        numbers: of the slices in the stack.
        labels: (n, H, W) uint8.
        maps: attention maps (n, H, W) float16, by title.
        probabilities: (n, H, W) float16, by label.
        expected_error: (n,), see `probabilities.expected_error`.
        recorded: what the recorder has beside maps.
        arrival: on a CUDA GPU, the event after which the copies in host memory are complete.
    """

    numbers: list[int]
    labels: Tensor
    maps: dict[str, Tensor]
    probabilities: dict[int, Tensor]
    expected_error: Tensor
    recorded: RecordedNumbers
    arrival: torch.cuda.Event | None = None

    def to_host(self) -> Batch:
        """The batch in host memory. Copies from a GPU run in the background: they are complete after `wait`."""
        on_gpu = self.labels.is_cuda

        def host(values: Tensor) -> Tensor:
            return values.to("cpu", non_blocking=on_gpu)

        moved = Batch(
            self.numbers,
            host(self.labels),
            {title: host(values) for title, values in self.maps.items()},
            {label: host(values) for label, values in self.probabilities.items()},
            host(self.expected_error),
            self.recorded.moved(host),
            torch.cuda.Event() if on_gpu else None,
        )
        if moved.arrival is not None:
            moved.arrival.record()
        return moved

    def wait(self) -> None:
        """Wait until the copies that `to_host` began are complete."""
        if self.arrival is not None:
            self.arrival.synchronize()
