"""What a network costs, counted without running it: on torch's "meta" device tensors have shapes but no contents."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from AttnSegLib import networks
from AttnSegLib.models.card import NetworkFacts
from AttnSegLib.networks.attention import SelfAttention, attention_maps
from AttnSegLib.networks.counted import CountedNetwork

_SIZE = 512  # pixels; self-attention grows faster than the slice, so a card overrates it for smaller slices


@dataclass(frozen=True)
class NetworkCost:
    """What a network costs for one slice.

    Args:
        parameters: their number.
        macs: multiply-accumulates of convolutions and matrix products.
        peak_bytes: the largest sum of float32 activations at one time in inference, without weights and without the
            workspace of the convolutions.
        maps: number of attention maps.
    """

    parameters: int
    macs: int
    peak_bytes: int
    maps: int


def measure_network(name: str, size: int, **options: Any) -> NetworkCost:
    """Cost of a network for one slice of size x size pixels. Raises `InputError` like `networks.create`."""
    with torch.device("meta"):
        network = networks.create(name, **options).eval()
        slices = torch.empty(1, options.get("in_channels", 1), size, size)
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            network(slices)
        for module in network.modules():
            if isinstance(module, SelfAttention):  # the fused kernel keeps no matrix, but "meta" does not have it
                module.forward = _only_the_result  # type: ignore[method-assign,assignment]
        with _LiveBytes() as memory:
            network(slices)
    return NetworkCost(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        macs=counter.get_total_flops() // 2,
        peak_bytes=memory.peak,
        maps=len(attention_maps(network)),
    )


def network_facts(name: str, **options: Any) -> NetworkFacts:
    """What a model's card says of its network, measured on a slice of 512 x 512 pixels."""
    cost = measure_network(name, _SIZE, **options)
    with torch.device("meta"):
        network = networks.create(name, **options)
    marks = attention_maps(network)
    megapixels = _SIZE * _SIZE / 1e6
    return NetworkFacts(
        maps=tuple(marks),
        queries=tuple(title for title, mark in marks.items() if isinstance(mark, SelfAttention)),
        levels=tuple(range(1, int(getattr(network, "level", 1)))),
        gmacs_per_megapixel=round(cost.macs / 1e9 / megapixels, 3),
        mb_per_megapixel=round(cost.peak_bytes / 1e6 / megapixels, 1),
    )


def count_network(name: str) -> CountedNetwork:
    """What belongs into `counted.COUNTED`, counted anew. Raises `InputError` like `networks.create`."""
    small, large = measure_network(name, 256), measure_network(name, 512)
    return CountedNetwork(
        parameters=large.parameters,
        gmacs_256=round(small.macs / 1e9, 1),
        gmacs_512=round(large.macs / 1e9, 1),
        mb_512=round(large.peak_bytes / 1e6),
        maps=large.maps,
        published=networks.network_class(name).published,
    )


def _only_the_result(_q: Tensor, _k: Tensor, v: Tensor, _size: tuple[int, int]) -> Tensor:
    return torch.empty_like(v)


class _LiveBytes(TorchDispatchMode):
    """Follows the storages that operations make until they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's has no types
        self.alive = self.peak = 0
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self._follow(tensor.untyped_storage())
        self.peak = max(self.peak, self.alive)
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def forget(_reference: object) -> None:
            self.alive -= size
            del self._known[key]

        self.alive += size
        self._known[key] = weakref.ref(storage, forget)
