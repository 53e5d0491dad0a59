"""Which engine runs a network, and whether OpenVINO says the same as torch."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from AttnSegLib.errors import InputError
from AttnSegLib.inference import cost
from AttnSegLib.inference.cost import Load
from AttnSegLib.inference.device import place_of
from AttnSegLib.inference.engines.conversion import Origin, converted, marks_of, openvino_module
from AttnSegLib.inference.engines.engine import Answer, Engine, Question, torch_engine
from AttnSegLib.inference.engines.openvino_engine import Compilation, OpenVinoEngine
from AttnSegLib.inference.prediction import IN_8_BITS, ComputeOptions
from AttnSegLib.inference.probabilities import labels_of, probabilities_of
from AttnSegLib.inference.runner import Runner
from AttnSegLib.models.eight_bits import EightBits

if TYPE_CHECKING:
    import openvino

ENGINES = ("auto", "torch", "openvino")
# s that torch takes for a scan by `cost.seconds`: of less, OpenVINO's start would take more than is won. Of many scans,
# loading is paid once, and compiling (0.1 to 0.7 s) for each new size of slices.
_PAYS, _PAYS_FOR_MANY = 8.0, 0.5
_MOST_OFF = {torch.float32: 1e-4, torch.bfloat16: 1e-2}  # mean difference of probabilities, and of a map
_MOST_OTHERS = 0.1  # in 8 bits: of the pixels with a label, those with another one than in 32; it was 0.004 to 0.015
_FEW_LABELLED = 0.005  # of a slice's pixels; fewer count as so many, since a few pixels say little


@dataclass(frozen=True, eq=False)
class Work:
    """What is to be done now.

    Args:
        load: all slices of the prediction, whatever is done of them.
        shape: (C, H, W) of a slice.
        lanes, size: batches side by side, and slices in each, views counted.
        sample: makes a slice (1, C, H, W) as the network will see it.
        notice: tells the user a sentence.
    """

    load: Load
    shape: tuple[int, int, int]
    lanes: int
    size: int
    sample: Callable[[], Tensor]
    notice: Callable[[str], None]


class Engines:
    """The engines of one network: torch, and OpenVINO where it is there, on the CPU of a PC.

    Args:
        runner: of the network.
        options: their engine is one of `ENGINES`. "auto" takes OpenVINO for scans that take long, since it was faster
            on all processors and all networks that were measured (docs/performance.md); if many scans are to come, for
            shorter ones, too; and for all in 8 bits.
        origin: of the network; None if nobody knows, and then "auto" takes torch.

    Raises:
        InputError: for another name, or if OpenVINO or 8 bits are wanted and can't be had.
    """

    def __init__(self, runner: Runner, options: ComputeOptions, origin: Origin | None):
        wanted = options.engine
        if wanted not in ENGINES:
            raise InputError(f"There is no engine '{wanted}'; choose auto, torch or openvino.")
        self._runner, self._wanted, self._origin = runner, wanted, origin
        self._pays = _PAYS_FOR_MANY if options.many_scans else _PAYS
        self._eight = _eight_bits(runner, wanted, origin) if options.precision == IN_8_BITS else None
        self._no_8_bits = ""  # why they can't be used, once that is known
        self._last: OpenVinoEngine | None = None  # compiling takes a second
        self._failed = False
        self._name, self._dtype = "", runner.dtype
        if wanted == "openvino":
            openvino_module()
            if runner.device.type != "cpu":
                raise InputError("OpenVINO computes on the CPU here; add --device cpu, or leave --engine out.")
            if runner.dtype not in _MOST_OFF:
                raise InputError("OpenVINO computes in float32 or bfloat16; leave --precision out.")

    @property
    def name(self) -> str:
        """Device, number format and engine in words, of the last run."""
        return self._runner.name(self._name, self._dtype)

    @contextmanager
    def engine(self, question: Question, work: Work) -> Iterator[Engine]:
        """The engine that suits, while the block lasts. Raises as `torch_engine`."""
        chosen = self._in_8_bits(question, work)
        if chosen is None and self._suits(question, work):
            chosen = self._openvino(question, work)
        self._name, self._dtype = (chosen.name, chosen.form.dtype) if chosen else ("", self._runner.dtype)
        if chosen is not None:
            yield chosen
            return
        with torch_engine(self._runner, question) as engine:
            yield engine

    def _suits(self, question: Question, work: Work) -> bool:
        fits = self._runner.device.type == "cpu" and self._runner.dtype in _MOST_OFF
        if self._failed and self._wanted == "openvino":
            work.notice("OpenVINO could not be used for this model before; torch computed instead.")
        if self._wanted == "torch" or self._failed or not fits:
            return False
        if self._wanted == "openvino":
            if question.needs_hooks:
                work.notice("What looks into the network's attention was computed by torch; OpenVINO can't.")
            return not question.needs_hooks
        # By the scan alone: in bfloat16 a few voxels differ, so its result must not depend on what ran before.
        pays = cost.seconds(place_of(self._runner.device), work.load) >= self._pays
        return pays and self._origin is not None and _is_here() and not question.needs_hooks

    def _in_8_bits(self, question: Question, work: Work) -> OpenVinoEngine | None:
        """None if 8 bits are not wanted, or not possible; the user is told of the latter."""
        if self._eight is None:
            return None
        if question.titles or question.channels or question.needs_hooks:
            if work.load.slices > 1:  # one slice is quick either way
                work.notice(
                    "8 bits are for labels; with attention, everything was computed in 32 bits. Ask for no attention "
                    "maps (--attention none) to have them."
                )
            return None
        if not self._no_8_bits:
            try:
                return self._ready(question, work, self._eight)
            except (RuntimeError, InputError) as error:
                self._no_8_bits = _reason(error)
        work.notice(f"This model can't be computed in 8 bits here; 32 were taken instead ({self._no_8_bits}).")
        return None

    def _openvino(self, question: Question, work: Work) -> OpenVinoEngine | None:
        """None, and never again, if it can't run this network, or says something else than torch; the user is told."""
        try:
            return self._ready(question, work)
        except (RuntimeError, InputError) as error:  # InputError: it is installed, but can't be loaded
            self._failed = True
            work.notice(f"OpenVINO can't be used for this model; torch computed instead ({_reason(error)}).")
            return None

    def _ready(self, question: Question, work: Work, eight: EightBits | None = None) -> OpenVinoEngine:
        """The one of the last time, if it suits. Raises as `_compiled` and `_compared`."""
        dtype = torch.int8 if eight else self._runner.dtype
        form = Compilation.of(work.size, work.shape, work.lanes, dtype)
        if self._last is None or (self._last.form, self._last.titles) != (form, (*question.titles, *question.channels)):
            self._last = None  # room for the next one
            self._last = self._compared(self._compiled(form, question, work, eight), question, work)
        return self._last

    def _compiled(self, form: Compilation, question: Question, work: Work, eight: EightBits | None) -> OpenVinoEngine:
        model, trouble = self._model
        if trouble:
            work.notice(trouble)
        marks = marks_of(self._runner.network)
        wanted = {title: marks[title] for title in (*question.titles, *question.channels)}
        return OpenVinoEngine(model, wanted, form, eight)

    @cached_property
    def _model(self) -> tuple[openvino.Model, str]:
        if self._origin is None:
            raise RuntimeError("nobody knows where its network comes from")
        return converted(self._origin)

    def _compared(self, engine: OpenVinoEngine, question: Question, work: Work) -> OpenVinoEngine:
        """The engine, once it said the same as torch on this processor. Raises `RuntimeError` if it does not."""
        folder = self._origin.folder if self._origin else None
        name = hashlib.sha256(engine.signature.encode()).hexdigest()[:16]
        mark = folder / f"as-torch-{name}" if folder and folder.exists() else None
        if mark is not None and mark.exists():
            return engine
        sample = work.sample()
        with torch_engine(self._runner, question) as reference, torch.inference_mode():
            found, expected = engine.run(sample), reference.run(sample)
        in_8_bits = engine.form.dtype == torch.int8
        off = _other_labels(found.logits, expected.logits) if in_8_bits else _difference(found, expected)
        if not off <= (_MOST_OTHERS if in_8_bits else _MOST_OFF[engine.form.dtype]):  # nor if it is NaN
            raise RuntimeError(f"their results differ by {off:.2g}")
        if mark is not None:
            with contextlib.suppress(OSError):  # it is compared again the next time
                mark.touch()
        return engine


def _eight_bits(runner: Runner, wanted: str, origin: Origin | None) -> EightBits:
    """Raises `InputError` if labels can't be computed in 8 bits."""
    if wanted == "torch" or runner.device.type != "cpu":
        raise InputError("Only OpenVINO computes in 8 bits, on the CPU; leave --engine and --device out.")
    openvino_module()
    if origin is None or origin.eight_bits is None:
        raise InputError("The card of this model does not say how to compute it in 8 bits; leave --precision out.")
    return origin.eight_bits


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]


def _difference(one: Answer, other: Answer) -> float:
    """The largest of the mean differences of probabilities and of maps."""
    pairs = [*zip(_shares(one.logits), _shares(other.logits), strict=True)]
    pairs += [(one.maps[title], values) for title, values in other.maps.items()]
    return max(float((a.float() - b.float()).abs().mean()) for a, b in pairs)


def _other_labels(one: Tensor, other: Tensor) -> float:
    """Of the pixels that have a label by either logits, the share of those with another one."""
    found, expected = labels_of(one), labels_of(other)
    labelled = float(((found > 0) | (expected > 0)).float().mean())
    return float((found != expected).float().mean()) / max(labelled, _FEW_LABELLED)


def _shares(logits: Tensor) -> list[Tensor]:
    return list(probabilities_of(logits.float()).values())


def _is_here() -> bool:
    """Whether OpenVINO is installed, on a processor for which it was measured; without loading it."""
    return platform.machine() in ("x86_64", "AMD64") and importlib.util.find_spec("openvino") is not None
