"""From a volume to a label map and attention maps, slice by slice, at bounded memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future, wait
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from AttnSegLib.errors import Cancelled, InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.batches import (
    Batch,
    Gathered,
    InputSlices,
    Plan,
    RecordedNumbers,
    check_painted,
    painted_slices,
)
from AttnSegLib.inference.cost import VIEWS_WITH_FLIPS, Load
from AttnSegLib.inference.cpu_lanes import lanes
from AttnSegLib.inference.cpu_memory import memory_kept
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.engines.choice import Engines, Work
from AttnSegLib.inference.engines.conversion import Origin
from AttnSegLib.inference.engines.engine import Engine, Question
from AttnSegLib.inference.folding import folded
from AttnSegLib.inference.postprocess import keep_largest_pieces
from AttnSegLib.inference.prediction import Canvas, Prediction, PredictionOptions, Watch
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.inference.probabilities import (
    are_finite,
    expected_error,
    flipped,
    labels_of,
    merge_flips,
    probabilities_of,
)
from AttnSegLib.inference.runner import Runner, is_out_of_memory
from AttnSegLib.inference.trained_network import check_multiple, trained_network
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.attention import attention_maps, channel_coefficients
from AttnSegLib.networks.replacement import replaced_sentence

_EVERYTHING = PredictionOptions()
_PATIENCE = 0.1  # seconds between two looks at whether to stop


@dataclass(frozen=True)
class Traits:
    """What a model's card says of its network, as far as predicting needs it.

    Args:
        largest_component: keep only the largest connected part of each label.
        mirrored: the network was trained on mirrored slices, too, so that flips can be asked for.
        bytes_per_pixel: see `Runner`.
        gmacs_per_megapixel: see `Load`.
        origin: of the network; None if it is no model's.
        names: of the labels, for what is told.
    """

    largest_component: bool = False
    mirrored: bool = True
    bytes_per_pixel: float = 0.0
    gmacs_per_megapixel: float = 0.0
    origin: Origin | None = None
    names: Mapping[int, str] = field(default_factory=dict)


_ANY_NETWORK = Traits()


class SlicePredictor:
    """Runs a network over the slices of volumes. Keep one and use it often: the network stays warm.

    It works with a copy of the network as it is now, see `folding`.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        compute: Compute | None = None,
        traits: Traits = _ANY_NETWORK,
    ):
        check_multiple(network, preprocessing)
        compute = compute or Compute()
        self.runner = Runner(network, compute, traits.bytes_per_pixel)
        self.engines = Engines(self.runner, compute, traits.origin)
        self.preprocessing = preprocessing
        self.traits = traits

    @classmethod
    def from_model(cls, spec: ModelSpec, compute: Compute | None = None, *, level: int | None = None) -> SlicePredictor:
        """The predictor of a trained model, its weights verified; `level` prunes an ANU-Net.

        Raises `InputError` if the weights are damaged or do not fit, or if the network can't be pruned so.
        """
        make = partial(trained_network, spec, level)
        identity = (spec.sha256, spec.network, str(spec.options), str(level))
        facts = spec.facts
        traits = Traits(
            spec.largest_component,
            spec.mirrored,
            facts.mb_per_megapixel,  # MB per megapixel are bytes per pixel
            facts.gmacs_per_megapixel,
            Origin(lambda: folded(make()), spec.preprocessing.in_channels, identity, spec.eight_bits),
            {label.value: label.name for label in spec.labels},
        )
        return cls(make(), spec.preprocessing, compute, traits)

    @property
    def network(self) -> nn.Module:
        """The network as it runs."""
        return self.runner.network

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
        """Segment a volume. Whoever asks several things of one volume keeps its stack and uses `predict_stack`.

        Raises as that.
        """
        return self.predict_stack(SliceStack.of(volume, self.preprocessing), options, watch, into)

    def predict_stack(
        self,
        stack: SliceStack,
        options: PredictionOptions = _EVERYTHING,
        watch: Watch | None = None,
        into: Canvas | None = None,
    ) -> Prediction:
        """Segment the volume of a stack that was made by this predictor's `preprocessing`. into: where to write instead
        of into new arrays.

        Raises `Cancelled`, and `InputError` for an attention map that the network does not have, for a region or a
        query outside the volume, for a replacement that does not fit, or for flips of which the network knows nothing.
        """
        if options.flips and not self.traits.mirrored:
            raise InputError("This model was never trained on mirrored slices and is wrong on them; leave flips out.")
        begin = time.perf_counter()
        titles = self._known_maps(options.attention)
        check_painted(options, stack)
        plan = Plan.of(stack, options)
        canvas = into or Canvas.blank(stack.volume.voxels.shape, titles)
        gathered = Gathered()
        channels = tuple(channel_coefficients(self.network)) if options.channels else ()
        job = _Job(plan, options, Question(titles, channels, plan.point, options.replaced), watch)
        if options.replaced:
            job.notice(replaced_sentence(options.replaced))
        with memory_kept(), closing(self._batches(job)) as batches:
            done = 0
            for batch in batches:
                stored = plan.write(canvas, batch)
                gathered.take(stored, batch)
                done += len(stored)
                if watch is not None:
                    watch.finished(stored, done, len(plan.numbers))
        if self.traits.largest_component and len(plan.numbers) > 1:  # one slice does not tell what the largest part is
            keep_largest_pieces(canvas.label_map, self.traits.names, job.notice)
        seconds = time.perf_counter() - begin
        device = self.engines.name
        written = (stack, canvas.label_map, canvas.attention, seconds, device, gathered.errors, tuple(job.notices))
        return Prediction(*written, canvas.probabilities, gathered.numbers)

    def _known_maps(self, titles: Iterable[str]) -> tuple[str, ...]:
        titles = tuple(titles)
        for title in titles:
            if title not in self.attention_titles:
                available = ", ".join(self.attention_titles) or "none"
                raise InputError(f"There is no attention map '{title}'; choose from: {available}.")
        return titles

    def _batches(self, job: _Job) -> Generator[Batch, None, None]:
        """The results in host memory, in the order of the plan."""
        height, width = job.plan.stack.model_size
        left = job.plan.numbers
        while left:
            count, size = self.runner.lanes(len(left), height * width, job.views)
            with (
                self.engines.engine(job.question, self._work(job, left, count, size * job.views)) as engine,
                closing(self._side_by_side(left, count, size, job, engine)) as batches,
            ):
                for batch in batches:
                    if batch is None:
                        break
                    left = left[len(batch.numbers) :]
                    yield batch
            if left:
                job.notice(self.runner.shrink(count * size * job.views))

    def _work(self, job: _Job, left: list[int], count: int, size: int) -> Work:
        """Of slices that are left. size: slices in a batch, views counted."""
        stack, traits = job.plan.stack, self.traits
        height, width = stack.model_size
        count_of_all, cost = len(job.plan.numbers), (traits.bytes_per_pixel, traits.gmacs_per_megapixel)
        load = Load(count_of_all, height * width, job.views, *cost)
        shape = (stack.preprocessing.in_channels, height, width)
        return Work(load, shape, count, size, lambda: stack.slices(left[len(left) // 2 :][:1]), job.notice)

    def _side_by_side(
        self, wanted: list[int], count: int, size: int, job: _Job, engine: Engine
    ) -> Generator[Batch | None, None, None]:
        """None if a batch must be predicted in another way. A GPU is at the next batch when one is handed out."""
        on_gpu = self.runner.device.type == "cuda"
        most = 2 * count if count > 1 else 1 + on_gpu  # one in a lane, and one for whoever is done before the others
        under_way: deque[Future[Batch | None]] = deque()
        with lanes(count) as pool:
            for slices in job.plan.read_ahead(wanted, size, pinned=on_gpu):
                job.stop_if_cancelled()
                under_way.append(pool.submit(self._try_batch, slices, job, engine))
                if len(under_way) == most:
                    yield job.result(under_way.popleft())
            while under_way:
                yield job.result(under_way.popleft())

    def _try_batch(self, slices: InputSlices, job: _Job, engine: Engine) -> Batch | None:
        """None if memory ran out, or numbers overflowed."""
        try:
            batch = self._predict_batch(slices, job, engine)
            return None if self.runner.overflows(batch.expected_error) else batch.to_host()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    @torch.inference_mode()
    def _predict_batch(self, slices: InputSlices, job: _Job, engine: Engine) -> Batch:
        stack, device = job.plan.stack, self.runner.device
        pixels, ranges = (values.to(device, non_blocking=True) for values in (slices.pixels, slices.ranges))
        seen = stack.prepare(pixels, ranges)
        painted = painted_slices(stack, job.options, slices.numbers)
        answer = engine.run(job.view(seen), {title: job.view(array) for title, array in painted.items()})
        logits = answer.logits.float()
        if job.options.flips:
            logits = merge_flips(logits)
        errors = torch.where(are_finite(answer.logits, job.views), expected_error(logits), torch.nan)
        maps = {  # of the slices as they are, which come first
            title: stack.restore(values[: len(slices.numbers)].float())[:, 0].half()
            for title, values in answer.maps.items()
        }
        logits = stack.restore(logits)
        probabilities = probabilities_of(logits) if job.options.probabilities else {}
        numbers = RecordedNumbers.of(answer, len(slices.numbers))
        return Batch(slices.numbers, labels_of(logits), maps, probabilities, errors, numbers)


@dataclass(frozen=True, eq=False)
class _Job:
    """notices: grows while the job is done."""

    plan: Plan
    options: PredictionOptions
    question: Question
    watch: Watch | None
    notices: list[str] = field(default_factory=list)

    @property
    def views(self) -> int:
        """How often the network sees each slice."""
        return VIEWS_WITH_FLIPS if self.options.flips else 1

    def view(self, slices: Tensor) -> Tensor:
        """Slices (n, C, H, W) as often as the network sees them."""
        return flipped(slices) if self.options.flips else slices

    def notice(self, sentence: str) -> None:
        """Tell whoever follows, now and with the result."""
        self.notices.append(sentence)
        if self.watch is not None:
            self.watch.noticed(sentence)

    def stop_if_cancelled(self) -> None:
        """Raises `Cancelled`."""
        if self.watch is not None and self.watch.cancelled():
            raise Cancelled

    def result(self, batch: Future[Batch | None]) -> Batch | None:
        """Of a batch under way. Raises `Cancelled` if that is asked for while it is waited for."""
        while not batch.done():
            self.stop_if_cancelled()
            wait([batch], timeout=_PATIENCE)
        return batch.result()
