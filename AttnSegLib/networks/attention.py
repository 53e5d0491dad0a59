"""Attention coefficients: networks mark them, a recorder collects the ones that were asked for.

A network goes on with what a mark returns, so that `override.AttentionOverride` can put something else there. Three
kinds of marks, none with parameters, so state dicts do not know them, and none doing anything until a recorder listens:

- `AttentionMap`: coefficients over the pixels, computed anyway (gates, spatial attention).
- `SelfAttention`: every position looks at every position. The matrix is never kept; the recorder computes from queries
  and keys how much each place is looked at, or, given a query point, where that point looks.
- `ChannelCoefficients`: vectors or matrices over channels; they have no place in the image.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from torch.utils.hooks import RemovableHandle

from AttnSegLib.errors import InputError

_ROWS = 512  # queries at a time when a self-attention map is reduced: at 128 x 128 positions 32 MiB a slice


class AttentionMap(nn.Identity):
    """Marks coefficients (N, 1, h, w) in [0, 1] on their way through a network. `title` is the name users read."""

    def __init__(self, title: str):
        super().__init__()
        self.title = title

    def maps(
        self, _inputs: tuple[Any, ...], output: Tensor, _query: tuple[float, float] | None
    ) -> tuple[Tensor, Tensor | None]:
        """The coefficients, which are absolute."""
        return output.detach(), None


class ShownMap(AttentionMap):
    """Marks what is made for showing alone: the network goes on with something else, so that it can't be replaced."""


class ChannelCoefficients(nn.Identity):
    """Marks coefficients over channels: (N, C) weights or (N, C, C) attention whose rows sum to 1."""

    def __init__(self, title: str):
        super().__init__()
        self.title = title


class SelfAttention(nn.Module):
    """softmax(scale * q k^T) v over the positions of a map, by a fused kernel that keeps no matrix.

    q: (N, h*w, d), k: (N, h*w, d), v: (N, h*w, e), size: (h, w); returns (N, h*w, e).
    """

    def __init__(self, title: str, scale: float = 1.0):
        super().__init__()
        self.title = title
        self.scale = scale

    def forward(self, q: Tensor, k: Tensor, v: Tensor, _size: tuple[int, int]) -> Tensor:
        width = max(q.shape[-1], v.shape[-1])  # fused kernels want equal widths; zeros change neither product
        # and they want the width to lie densely in memory; for a flattened map torch would build the matrix instead
        q, k, v_wide = (pad(x, (0, width - x.shape[-1])).contiguous()[:, None] for x in (q, k, v))
        out = scaled_dot_product_attention(q, k, v_wide, scale=self.scale)
        return out[:, 0, :, : v.shape[-1]]

    def rows(self, q: Tensor, k: Tensor) -> Tensor:
        """Rows of the attention matrix for some queries (N, P, d): (N, P, h*w), each summing to 1."""
        return torch.softmax(self.scale * q.float() @ k.float().transpose(1, 2), dim=-1)

    def maps(
        self, inputs: tuple[Any, ...], _output: Tensor, query: tuple[float, float] | None
    ) -> tuple[Tensor, Tensor | None]:
        """(N, 1, h, w): where the query point looks, or without one how much each place is looked at on average; both
        relative to their largest value in the slice, which comes second, (N,). As absolute coefficients they sum to 1
        over the places of a slice."""
        q, k, _, (height, width) = inputs
        if query is not None:
            row, column = int(query[0] * height), int(query[1] * width)
            place = row * width + column
            seen = self.rows(q[:, place : place + 1], k)[:, 0]
        else:
            seen = torch.stack([self.rows(part, k).sum(dim=1) for part in q.split(_ROWS, dim=1)]).sum(dim=0)
            seen = seen / q.shape[1]
        largest = seen.detach().amax(dim=1)
        return (seen.detach() / largest[:, None]).reshape(-1, 1, height, width), largest


Spatial = AttentionMap | SelfAttention


def attention_maps(network: nn.Module) -> dict[str, Spatial]:
    """The marks of a network that can be shown as maps, by title, in the order of the network's file."""
    return {module.title: module for module in network.modules() if isinstance(module, Spatial)}


def channel_coefficients(network: nn.Module) -> dict[str, ChannelCoefficients]:
    """The marks of a network over channels, by title."""
    return {module.title: module for module in network.modules() if isinstance(module, ChannelCoefficients)}


class _Recorded(threading.local):
    """Each thread has its own."""

    def __init__(self) -> None:
        self.maps: dict[str, Tensor] = {}
        self.largest: dict[str, Tensor] = {}
        self.vectors: dict[str, Tensor] = {}


class AttentionRecorder:
    """Collects the marks with the given titles while the `with` block lasts.

    >>> with AttentionRecorder(network, ["gate 0,0"]) as recorder:
    ...     network(slices)
    >>> recorder.maps["gate 0,0"]  # (N, 1, h, w) of the last forward pass of this thread

    query: a point (row, column), each in [0, 1), as a share of the slice's height and width; self-attention then gives
    where that point looks. Coefficients over channels land in `vectors`, and in `largest` (N,) by what maps that are
    relative have to be multiplied to be absolute. With no titles it costs nothing. Raises
    `InputError` for a title that the network does not have, or a point outside the slice.
    """

    def __init__(self, network: nn.Module, titles: Iterable[str], query: tuple[float, float] | None = None):
        available: dict[str, nn.Module] = {**attention_maps(network), **channel_coefficients(network)}
        self._marked: dict[str, nn.Module] = {}
        for title in titles:
            if title not in available:
                raise InputError(f"There is no attention map '{title}'; choose from: {', '.join(available) or 'none'}.")
            self._marked[title] = available[title]
        if query is not None and not all(0 <= share < 1 for share in query):
            raise InputError(f"The query point {query} lies outside the slice; give shares of its height and width.")
        self._query = query
        self._handles: list[RemovableHandle] = []
        self._recorded = _Recorded()

    @property
    def maps(self) -> dict[str, Tensor]:
        """By title."""
        return self._recorded.maps

    @property
    def largest(self) -> dict[str, Tensor]:
        """By title."""
        return self._recorded.largest

    @property
    def vectors(self) -> dict[str, Tensor]:
        """By title."""
        return self._recorded.vectors

    def __enter__(self) -> AttentionRecorder:
        self._handles = [module.register_forward_hook(self._record) for module in self._marked.values()]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _record(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if isinstance(module, Spatial):
            self.maps[module.title], largest = module.maps(inputs, output, self._query)
            if largest is not None:
                self.largest[module.title] = largest
        elif isinstance(module, ChannelCoefficients):
            self.vectors[module.title] = output.detach()
