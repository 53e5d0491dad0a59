"""Replacing attention while a network runs, to see what it is good for: the recorder's twin.

A hook on a mark gives the network other coefficients than those that it computed. Without a replacement no hook is
there, so that a network that is not asked pays nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from AttnSegLib.errors import InputError
from AttnSegLib.networks.attention import (
    AttentionMap,
    ChannelCoefficients,
    SelfAttention,
    ShownMap,
    attention_maps,
    channel_coefficients,
)
from AttnSegLib.networks.blocks import resize
from AttnSegLib.networks.replacement import HOWS, PAINTED, Replacement

_NEXT_TO_NOTHING = 1e-9  # weight of an erased place in self-attention: its logarithm is still a number

Mark = AttentionMap | SelfAttention | ChannelCoefficients


def switchable_maps(network: nn.Module) -> list[str]:
    """Titles of the attention maps that can be replaced, in the order of the network's file."""
    return [title for title, mark in attention_maps(network).items() if not isinstance(mark, ShownMap)]


def switched_off(network: nn.Module) -> list[Replacement]:
    """What makes all attention of a network neutral: its maps, and its coefficients over channels."""
    return [Replacement(title) for title in (*switchable_maps(network), *channel_coefficients(network))]


def gammas(network: nn.Module) -> dict[str, Tensor]:
    """The learnt weights of attention branches, by the title of the branch's mark. A negative one subtracts what the
    attention has gathered."""
    return {title: gamma.detach() for title, gamma in gamma_parameters(network).items()}


def gamma_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """The same as parameters, which learn."""
    return {
        mark.title: gamma
        for module in network.modules()
        if isinstance(gamma := getattr(module, "gamma", None), nn.Parameter)
        for mark in module.children()
        if isinstance(mark, Mark)
    }


class _Painted(threading.local):
    """Each thread has its own."""

    def __init__(self) -> None:
        self.arrays: Mapping[str, Tensor] = {}


class AttentionOverride:
    """Replaces coefficients while the `with` block lasts.

    >>> with AttentionOverride(network, [Replacement("gate 0,0")]):
    ...     network(slices)

    A recorder that was entered before shows what the network computed, one that was entered after what it got instead.
    Raises `InputError` for a title that the network does not have, and for what can't take the place of its mark.
    """

    def __init__(self, network: nn.Module, replacements: Iterable[Replacement]):
        self._marked = _marked(network, wanted) if (wanted := tuple(replacements)) else []
        self._handles: list[RemovableHandle] = []
        self._painted = _Painted()

    def paint(self, arrays: Mapping[str, Tensor]) -> None:
        """What the next forward passes of this thread take where a map is "painted" or "erased": by title (N, 1, h, w)
        over the slices as the network sees them, of any resolution; over channels, of the coefficients' own shape."""
        self._painted.arrays = arrays

    def __enter__(self) -> AttentionOverride:
        for mark, one in self._marked:
            self._handles.append(mark.register_forward_hook(self._hook(one)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _hook(self, one: Replacement) -> Any:
        def replace(mark: Mark, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
            array = self._array(one.map) if one.how in PAINTED else None
            if isinstance(mark, SelfAttention):
                return _gathered(mark, inputs, one, array)
            return _coefficients(mark, output, one, array)

        return replace

    def _array(self, title: str) -> Tensor:
        if title not in self._painted.arrays:
            raise InputError(f"Nothing was painted that could take the place of '{title}'; give it by 'paint'.")
        return self._painted.arrays[title]


def _marked(network: nn.Module, replacements: Iterable[Replacement]) -> list[tuple[Mark, Replacement]]:
    """Each with its mark; what is neutral for that is decided."""
    marks: dict[str, Mark] = {**attention_maps(network), **channel_coefficients(network)}
    weighed = gammas(network)
    found = []
    for one in replacements:
        if one.map not in marks:
            raise InputError(f"There is no attention '{one.map}'; choose from: {', '.join(marks) or 'none'}.")
        _check(marks[one.map], one)
        if one.how == "neutral":
            one = Replacement(one.map, "zero" if one.map in weighed else "uniform")
        found.append((marks[one.map], one))
    return found


def _coefficients(mark: Mark, output: Tensor, one: Replacement, array: Tensor | None) -> Tensor:
    """In place of a map (N, 1, h, w), or of coefficients over channels (N, C) or (N, C, C), whose last axis sums."""
    if array is not None:
        array = array.to(output)
        if isinstance(mark, AttentionMap) and array.shape != output.shape:
            array = _resized(array, (output.shape[2], output.shape[3]))
        return array if one.how == "painted" else output * (1 - array)
    if one.how == "uniform":
        axes = (2, 3) if isinstance(mark, AttentionMap) else (-1,)
        return output.mean(dim=axes, keepdim=True).expand_as(output)
    return torch.full_like(output, one.value)


def _gathered(mark: SelfAttention, inputs: tuple[Any, ...], one: Replacement, array: Tensor | None) -> Tensor:
    """In place of what self-attention gives, (N, h*w, e)."""
    q, k, v, size = inputs
    if array is not None:
        weights = _resized(array.to(v), size).flatten(1)[:, :, None]  # (N, h*w, 1)
        if one.how == "erased":
            return _looking_elsewhere(mark, (q, k, v), 1 - weights) if weights.any() else mark.forward(q, k, v, size)
        share = weights / weights.sum(dim=1, keepdim=True).clamp_min(_NEXT_TO_NOTHING)
        return (share * v).sum(dim=1, keepdim=True).expand_as(v)
    if one.how == "identity":
        return torch.as_tensor(v)
    if one.how == "uniform":
        return torch.as_tensor(v.mean(dim=1, keepdim=True).expand_as(v))
    return torch.zeros_like(v)


def _looking_elsewhere(mark: SelfAttention, qkv: tuple[Tensor, Tensor, Tensor], weights: Tensor) -> Tensor:
    """The attention with the share of each place multiplied by its weight, and the shares made to sum to 1 again: one
    more column in queries and keys adds the logarithm to each product, so that the fused kernel can be kept."""
    q, k, v = qkv
    logarithm = weights.clamp(_NEXT_TO_NOTHING, 1).log() / mark.scale
    q = torch.cat([q, torch.ones_like(q[..., :1])], dim=-1)
    return mark.forward(q, torch.cat([k, logarithm.to(k)], dim=-1), v, (0, 0))


def _resized(array: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, 1, h, w) to another resolution: the mean where it shrinks, linear where it grows."""
    height, width = array.shape[2:]
    if (height, width) == size:
        return array
    if height >= size[0] and width >= size[1]:
        return nn.functional.adaptive_avg_pool2d(array, size)
    return resize(array, size)


def _check(mark: Mark, one: Replacement) -> None:
    """Raises `InputError` for what can't take the place of a mark."""
    if one.how not in HOWS:
        raise InputError(f"Attention can't be replaced by '{one.how}'; choose one of: {', '.join(HOWS)}.")
    if isinstance(mark, ShownMap):
        raise InputError(f"'{one.map}' is only shown, the network does not use it; it can't be replaced.")
    fits = {
        "identity": isinstance(mark, SelfAttention),
        "constant": not isinstance(mark, SelfAttention),
        "erased": not isinstance(mark, ChannelCoefficients),
    }
    if not fits.get(one.how, True):
        raise InputError(f"'{one.map}' can't be replaced by '{one.how}'; choose another one, such as neutral.")
