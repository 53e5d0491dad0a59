"""Attention coefficients: networks mark them, a recorder collects the ones that were asked for."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from AttnSegLib.errors import InputError


class AttentionMap(nn.Identity):
    """Marks coefficients (N, 1, h, w) in [0, 1] on their way through a network.

    It has no parameters, so state dicts do not know it, and does nothing until an `AttentionRecorder` listens. `title`
    is the name that users read.
    """

    def __init__(self, title: str):
        super().__init__()
        self.title = title


def attention_maps(network: nn.Module) -> dict[str, AttentionMap]:
    """The marked maps of a network by title, in the order of the network's file."""
    return {module.title: module for module in network.modules() if isinstance(module, AttentionMap)}


class AttentionRecorder:
    """Collects the maps with the given titles while the `with` block lasts.

    >>> with AttentionRecorder(network, ["gate 0,0"]) as recorder:
    ...     network(slices)
    >>> recorder.maps["gate 0,0"]  # (N, 1, h, w) of the last forward pass

    Raises `InputError` for a title that the network does not have. With no titles it costs nothing.
    """

    def __init__(self, network: nn.Module, titles: Iterable[str]):
        available = attention_maps(network)
        self._marked = {}
        for title in titles:
            if title not in available:
                raise InputError(f"There is no attention map '{title}'; choose from: {', '.join(available) or 'none'}.")
            self._marked[title] = available[title]
        self._handles: list[RemovableHandle] = []
        self.maps: dict[str, Tensor] = {}

    def __enter__(self) -> AttentionRecorder:
        self._handles = [module.register_forward_hook(self._record) for module in self._marked.values()]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _record(self, module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.maps[str(module.title)] = output.detach()
