"""From a volume to a label map and attention maps, slice by slice, at bounded memory."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from AttnSegLib import networks
from AttnSegLib.attention import AttentionRecorder, attention_maps
from AttnSegLib.catalog import ModelSpec
from AttnSegLib.device import Compute, describe
from AttnSegLib.errors import Cancelled, InputError
from AttnSegLib.opinions import (
    NUMBER_OF_FLIPS,
    disagreement,
    flipped,
    labels_of,
    merge_flips,
    other_opinions,
    probabilities_of,
)
from AttnSegLib.orientation import Region
from AttnSegLib.postprocess import keep_largest_component
from AttnSegLib.prediction import Canvas, Prediction, PredictionOptions, Watch
from AttnSegLib.preprocess import Preprocessing, SliceStack
from AttnSegLib.volume import Volume
from AttnSegLib.weights import load_weights

_EVERYTHING = PredictionOptions()


@dataclass(frozen=True, eq=False)
class _Batch:
    """labels: (n, H, W) uint8; maps: title, probabilities: label to (n, H, W) float16; all on the volume's grid;
    disagreement: (n,)."""

    labels: Tensor
    maps: dict[str, Tensor]
    probabilities: dict[int, Tensor]
    disagreement: list[float]


class SlicePredictor:
    """Runs a network over the slices of volumes. Keep one and use it often: the network stays warm."""

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        compute: Compute | None = None,
        *,
        largest_component: bool = False,
    ):
        _check_multiple(network, preprocessing)
        self.compute = compute or Compute()
        self.device = self.compute.resolve_device()
        self.batch_size = self.compute.resolve_batch_size(self.device)
        self.network = network.eval().to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        self.preprocessing = preprocessing
        self.largest_component = largest_component

    @classmethod
    def from_model(cls, spec: ModelSpec, compute: Compute | None = None, *, level: int | None = None) -> SlicePredictor:
        """The predictor of a trained model, its weights verified; `level` prunes an ANU-Net.

        Raises `InputError` if the weights are damaged or do not fit, or if the network can't be pruned so.
        """
        try:
            network = networks.create(spec.network, **spec.options)
            preprocessing = Preprocessing(**spec.preprocessing)
        except InputError:
            raise
        except (TypeError, ValueError) as error:  # a field of the wrong name or type
            raise InputError(f"The card of model '{spec.id}' is damaged; install the model again.") from error
        try:
            network.load_state_dict(load_weights(spec.weights_path, spec.sha256))
        except RuntimeError as error:
            raise InputError(f"The weights of model '{spec.id}' do not fit its network; install it again.") from error
        if level is not None:
            if not hasattr(network, "pruned"):
                raise InputError(f"The network of model '{spec.id}' can't be pruned; leave the level out.")
            network = network.pruned(level)  # type: ignore[operator]
        return cls(network, preprocessing, compute, largest_component=spec.largest_component)

    @property
    def attention_titles(self) -> list[str]:
        """Titles of the maps that can be asked for."""
        return list(attention_maps(self.network))

    def predict(
        self,
        volume: Volume,
        options: PredictionOptions = _EVERYTHING,
        watch: Watch | None = None,
        into: Canvas | None = None,
    ) -> Prediction:
        """Segment a volume. into: where to write instead of into new arrays.

        Raises `Cancelled`, and `InputError` for an attention map that the network does not have, or for a region or a
        query outside the volume.
        """
        begin = time.perf_counter()
        plan = self._plan(volume, options)
        canvas = into or Canvas.blank(volume.voxels.shape, plan.titles)
        doubts: dict[int, float] = {}
        notices: list[str] = []
        done = 0
        with AttentionRecorder(self.network, plan.titles, plan.point) as recorder:
            while done < len(plan.numbers):
                if watch is not None and watch.cancelled():
                    raise Cancelled
                numbers = plan.numbers[done : done + self._slices_at_once(options)]
                batch = self._try_batch(plan.stack, numbers, recorder, options)
                if batch is None:
                    notices.append(self._shrink())
                    continue
                plan.write(canvas, numbers, batch)
                stored = [plan.stack.orientation.stored_index(n, volume.voxels.shape) for n in numbers]
                doubts.update(zip(stored, batch.disagreement, strict=False))
                done += len(numbers)
                if watch is not None:
                    watch.finished(stored, done, len(plan.numbers))
        if self.largest_component and len(plan.numbers) > 1:  # what is the largest part can't be told from one slice
            canvas.label_map[...] = keep_largest_component(canvas.label_map)
        seconds = time.perf_counter() - begin
        device = describe(self.device)
        return Prediction(
            canvas.label_map, canvas.attention, seconds, device, doubts, tuple(notices), canvas.probabilities
        )

    def _plan(self, volume: Volume, options: PredictionOptions) -> _Plan:
        titles = self._known_maps(options.attention)
        stack = self.preprocessing.stack(volume)
        shape = volume.voxels.shape
        region = options.region or Region((0, 0, 0), shape)
        region.check(shape)
        axis = stack.axes[0]
        point = None
        if options.query is not None:
            Region(options.query, tuple(v + 1 for v in options.query)).check(shape)  # type: ignore[arg-type]
            region = _only(region, axis, options.query[axis])
            point = stack.place(options.query)
        bounds = stack.orientation.view_bounds(region, shape)
        numbers = list(range(bounds[0].start, bounds[0].stop))
        if options.start is not None:
            first = stack.orientation.stored_index(options.start, shape)
            numbers.sort(key=lambda number: abs(number - first))
        return _Plan(stack, titles, point, numbers, bounds[1:])

    def _slices_at_once(self, options: PredictionOptions) -> int:
        return max(1, self.batch_size // (NUMBER_OF_FLIPS if options.flips else 1))

    def _known_maps(self, titles: Iterable[str]) -> list[str]:
        titles = list(titles)
        for title in titles:
            if title not in self.attention_titles:
                available = ", ".join(self.attention_titles) or "none"
                raise InputError(f"There is no attention map '{title}'; choose from: {available}.")
        return titles

    def _try_batch(
        self, stack: SliceStack, numbers: list[int], recorder: AttentionRecorder, options: PredictionOptions
    ) -> _Batch | None:
        """None if memory ran out."""
        try:
            return self._predict_batch(stack, numbers, recorder, options)
        except (torch.OutOfMemoryError, MemoryError):
            return None
        except RuntimeError as error:
            if "can't allocate memory" in str(error) or "out of memory" in str(error):  # as CPU and MPS say it
                return None
            raise

    @torch.inference_mode()
    def _predict_batch(
        self, stack: SliceStack, numbers: list[int], recorder: AttentionRecorder, options: PredictionOptions
    ) -> _Batch:
        slices = stack.slices(numbers).to(self.device)
        slices = (flipped(slices) if options.flips else slices).contiguous(memory_format=torch.channels_last)
        with self.compute.autocast(self.device):
            output = self.network(slices)
        logits, single_flips = merge_flips(output.logits.float()) if options.flips else (output.logits.float(), [])
        opinions = other_opinions(output, single_flips)
        doubt = disagreement(logits, opinions).tolist() if opinions else []
        maps = {  # of the slices as they are, which come first
            title: stack.restore(values[: len(numbers)].float())[:, 0].half() for title, values in recorder.maps.items()
        }
        logits = stack.restore(logits)
        return _Batch(labels_of(logits), maps, probabilities_of(logits) if options.probabilities else {}, doubt)

    def _shrink(self) -> str:
        """Need less memory from now on: half the batch, then the CPU. Returns the sentence that says so."""
        torch.cuda.empty_cache()
        if self.batch_size > 1:
            self.batch_size //= 2
            return f"The device ran out of memory; went on with batches of {self.batch_size} slice(s)."
        if self.device.type == "cpu":
            raise InputError("There is not enough memory for a single slice; close other programs and try again.")
        self.device = torch.device("cpu")
        self.network.to(self.device)
        return "The device ran out of memory for a single slice; went on with the CPU, which is slower."


@dataclass(frozen=True, eq=False)
class _Plan:
    """numbers: slices of the stack, in the order in which they are predicted; bounds: rows and columns to write."""

    stack: SliceStack
    titles: list[str]
    point: tuple[float, float] | None
    numbers: list[int]
    bounds: tuple[slice, slice]

    def write(self, canvas: Canvas, numbers: list[int], batch: _Batch) -> None:
        """Bring a batch to its place."""
        rows, columns = self.bounds
        self.stack.view(canvas.label_map)[numbers, rows, columns] = _to_numpy(batch.labels)[:, rows, columns]
        for title, values in batch.maps.items():
            self.stack.view(canvas.attention[title])[numbers, rows, columns] = _to_numpy(values)[:, rows, columns]
        for label, values in batch.probabilities.items():
            target = canvas.probabilities.setdefault(label, np.zeros(canvas.label_map.shape, np.float16))
            self.stack.view(target)[numbers, rows, columns] = _to_numpy(values)[:, rows, columns]


def _only(region: Region, axis: int, index: int) -> Region:
    """The slice of a region at an index along an axis."""
    start, stop = list(region.start), list(region.stop)
    start[axis], stop[axis] = index, index + 1
    return Region((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _check_multiple(network: nn.Module, preprocessing: Preprocessing) -> None:
    needed = int(getattr(network, "size_multiple", 1))
    if preprocessing.multiple % needed:
        raise InputError(
            f"The network needs slices padded to a multiple of {needed} pixels, and the preprocessing pads to "
            f"{preprocessing.multiple}; correct 'multiple' in the model's card or the recipe."
        )


def _to_numpy(tensor: Tensor) -> np.ndarray:
    """By DLPack, which works where torch was built for another numpy."""
    return np.from_dlpack(tensor.cpu())
