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
from AttnSegLib.inference.prediction import ComputeOptions
from AttnSegLib.inference.probabilities import probabilities_of
from AttnSegLib.inference.runner import Runner

if TYPE_CHECKING:
    import openvino

ENGINES = ("auto", "torch", "openvino")
# s that torch takes for a scan by `cost.seconds`: of less, OpenVINO's start would take more than is won. Of many scans,
# loading is paid once, and compiling (0.1 to 0.7 s) for each new size of slices.
_PAYS, _PAYS_FOR_MANY = 8.0, 0.5
_MOST_OFF = {torch.float32: 1e-4, torch.bfloat16: 1e-2}  # mean difference of probabilities, and of a map


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
            shorter ones, too.
        origin: of the network; None if nobody knows, and then "auto" takes torch.

    Raises:
        InputError: for another name, or if OpenVINO is wanted and can't be had.
    """

    def __init__(self, runner: Runner, options: ComputeOptions, origin: Origin | None):
        wanted = options.engine
        if wanted not in ENGINES:
            raise InputError(f"There is no engine '{wanted}'; choose auto, torch or openvino.")
        self._runner, self._wanted, self._origin = runner, wanted, origin
        self._pays = _PAYS_FOR_MANY if options.many_scans else _PAYS
        self._last: OpenVinoEngine | None = None  # compiling takes a second
        self._failed = False
        self._name = ""
        if wanted == "openvino":
            openvino_module()
            if runner.device.type != "cpu":
                raise InputError("OpenVINO computes on the CPU here; add --device cpu, or leave --engine out.")
            if runner.dtype not in _MOST_OFF:
                raise InputError("OpenVINO computes in float32 or bfloat16; leave --precision out.")

    @property
    def name(self) -> str:
        """Device, number format and engine in words, of the last run."""
        return self._runner.name(self._name)

    @contextmanager
    def engine(self, question: Question, work: Work) -> Iterator[Engine]:
        """The engine that suits, while the block lasts. Raises as `torch_engine`."""
        chosen = self._openvino(question, work) if self._suits(question, work) else None
        self._name = chosen.name if chosen else ""
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

    def _form(self, work: Work) -> Compilation:
        return Compilation.of(work.size, work.shape, work.lanes, self._runner.dtype)

    def _openvino(self, question: Question, work: Work) -> OpenVinoEngine | None:
        """None, and never again, if it can't run this network, or says something else than torch; the user is told."""
        try:
            form, titles = self._form(work), (*question.titles, *question.channels)
            if self._last is None or (self._last.form, self._last.titles) != (form, titles):
                self._last = None  # room for the next one
                self._last = self._compared(self._compiled(form, question, work), question, work)
        except (RuntimeError, InputError) as error:  # InputError: it is installed, but can't be loaded
            reason = (str(error) or type(error).__name__).strip().splitlines()[0]
            self._failed = True
            work.notice(f"OpenVINO can't be used for this model; torch computed instead ({reason}).")
        return self._last

    def _compiled(self, form: Compilation, question: Question, work: Work) -> OpenVinoEngine:
        model, trouble = self._model
        if trouble:
            work.notice(trouble)
        marks = marks_of(self._runner.network)
        return OpenVinoEngine(model, {title: marks[title] for title in (*question.titles, *question.channels)}, form)

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
            off = _difference(engine.run(sample), reference.run(sample))
        if not off <= _MOST_OFF[self._runner.dtype]:  # nor if it is NaN
            raise RuntimeError(f"their results differ by {off:.2g}")
        if mark is not None:
            with contextlib.suppress(OSError):  # it is compared again the next time
                mark.touch()
        return engine


def _difference(one: Answer, other: Answer) -> float:
    """The largest of the mean differences of probabilities and of maps."""
    pairs = [*zip(_shares(one.logits), _shares(other.logits), strict=True)]
    pairs += [(one.maps[title], values) for title, values in other.maps.items()]
    return max(float((a.float() - b.float()).abs().mean()) for a, b in pairs)


def _shares(logits: Tensor) -> list[Tensor]:
    return list(probabilities_of(logits.float()).values())


def _is_here() -> bool:
    """Whether OpenVINO is installed, on a processor for which it was measured; without loading it."""
    return platform.machine() in ("x86_64", "AMD64") and importlib.util.find_spec("openvino") is not None
