"""What a network costs, counted without running it: on torch's "meta" device tensors have shapes but no contents."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from AttnSegLib import networks
from AttnSegLib.attention import attention_maps


@dataclass(frozen=True)
class Cost:
    """parameters: number; macs: multiply-accumulates of convolutions and matrix products for one slice; peak_bytes:
    largest sum of float32 activations alive at one time in inference, without weights and without the workspace of the
    convolutions; maps: number of attention maps."""

    parameters: int
    macs: int
    peak_bytes: int
    maps: int


def measure(name: str, size: int, **options: Any) -> Cost:
    """Cost of a network for one slice of size x size pixels. Raises `InputError` like `networks.create`."""
    with torch.device("meta"):
        network = networks.create(name, **options).eval()
        slices = torch.empty(1, options.get("in_channels", 1), size, size)
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            network(slices)
        with _LiveBytes() as memory:
            network(slices)
    return Cost(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        macs=counter.get_total_flops() // 2,
        peak_bytes=memory.peak,
        maps=len(attention_maps(network)),
    )


class _LiveBytes(TorchDispatchMode):
    """Follows the storages that operations make until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.peak = 0
        self._known: dict[int, weakref.ref] = {}

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

        def forget(_reference: weakref.ref) -> None:
            self.alive -= size
            del self._known[key]

        self.alive += size
        self._known[key] = weakref.ref(storage, forget)
