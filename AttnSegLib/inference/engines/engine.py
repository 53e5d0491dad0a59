"""The interface that all engines share, and the engine that can do everything: torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from AttnSegLib.inference.runner import Runner
from AttnSegLib.networks.attention import AttentionRecorder
from AttnSegLib.networks.override import AttentionOverride
from AttnSegLib.networks.replacement import Replacement


@dataclass(frozen=True)
class Question:
    """What a prediction wants of a network.

    Args:
        titles: of the attention maps.
        channels: titles of the coefficients over channels.
        point: of a query, as shares of the height and the width of a slice; None without one.
        replaced: what takes the place of attention.
    """

    titles: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    point: tuple[float, float] | None = None
    replaced: tuple[Replacement, ...] = ()

    @property
    def needs_hooks(self) -> bool:
        """Whether something is to happen in the middle of the network, which no compiled graph lets happen."""
        return self.point is not None or bool(self.replaced)


class Answer(NamedTuple):
    """What a network says of n slices: logits (n, C, H, W); the others by title, as `AttentionRecorder` has them.

    maps: (n, 1, h, w), of any resolution; largest: (n,); vectors: (n, C) or (n, C, C).
    """

    logits: Tensor
    maps: dict[str, Tensor]
    largest: dict[str, Tensor]
    vectors: dict[str, Tensor]


class Engine(Protocol):
    """A network as it runs for one prediction. Lanes call it side by side.

    name: in words, empty for torch, which needs no word.
    """

    name: str

    def run(self, slices: Tensor, painted: Mapping[str, Tensor] | None = None) -> Answer:
        """Slices (n, C, H, W) on the network's device through the network. painted: see `AttentionOverride.paint`."""


@contextmanager
def torch_engine(runner: Runner, question: Question) -> Iterator[Engine]:
    """An engine while the block lasts.

    Raises `InputError` for a map that the network does not have, and for a replacement that does not fit.
    """
    with (  # the recorder first: it shows what was computed
        AttentionRecorder(runner.network, (*question.titles, *question.channels), question.point) as recorder,
        AttentionOverride(runner.network, question.replaced) as override,
    ):
        yield _TorchEngine(runner, recorder, override)


class _TorchEngine:
    name = ""

    def __init__(self, runner: Runner, recorder: AttentionRecorder, override: AttentionOverride):
        self._runner, self._recorder, self._override = runner, recorder, override

    def run(self, slices: Tensor, painted: Mapping[str, Tensor] | None = None) -> Answer:
        self._override.paint(painted or {})
        logits, seen = self._runner.run(slices).logits, self._recorder
        return Answer(logits, dict(seen.maps), dict(seen.largest), dict(seen.vectors))
