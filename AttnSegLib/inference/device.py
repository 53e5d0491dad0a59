"""Which device and number format a prediction runs with."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from AttnSegLib.errors import InputError
from AttnSegLib.inference.cost import Place
from AttnSegLib.inference.prediction import IN_8_BITS, ComputeOptions

# int8: what does not compute in 8 bits, see `engines.choice`, computes in float32
_FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, IN_8_BITS: torch.float32}


@dataclass(frozen=True)
class Compute(ComputeOptions):
    """How to run a network, and what that means on this machine."""

    def resolve_device(self) -> torch.device:
        """The device itself. Raises `InputError` for one that torch does not know or this machine does not have."""
        best = "cpu" if self.precision == IN_8_BITS else _best_device()  # 8 bits are for CPUs
        name = best if self.device == "auto" else self.device
        device = _usable(name)
        if device is None:
            others = [f"cuda:{number}" for number in range(torch.cuda.device_count())] + ["mps"]
            able = ["cpu", *(other for other in others if _usable(other))]
            raise InputError(f"The device '{name}' is not usable here; choose {' or '.join(able)}.")
        return device

    def resolve_dtype(self, device: torch.device) -> torch.dtype:
        """The number format of convolutions. Raises `InputError` for an unknown precision."""
        if self.precision != "auto" and self.precision not in _FORMATS:
            raise InputError(f"There is no precision '{self.precision}'; choose auto, {', '.join(_FORMATS)}.")
        if self.precision != "auto":
            return _FORMATS[self.precision]
        if fast_at_bfloat16(device):
            return torch.bfloat16
        return torch.float16 if _fast_at_float16(device) else torch.float32


def _usable(name: str) -> torch.device | None:
    """The device of this name; None if torch does not know it or this machine does not have it."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # a GPU that this torch was not built for fails here
    except (RuntimeError, AssertionError, NotImplementedError):  # AssertionError: torch without CUDA
        return None
    return device


def place_of(device: torch.device) -> Place:
    """What planning needs to know of a device, as it is now."""
    return Place(device.type, most_lanes(device), _free_bytes(device) if device.type == "cuda" else None)


def most_lanes(device: torch.device) -> int:
    """How many batches can run side by side, see `lanes`: on a CPU one for each of torch's threads, elsewhere one.

    Also one on a CPU where lanes would not help: in a torch without OpenMP, whose lanes would all use the same threads,
    and where OpenMP has bound this thread to one core, which the threads of all lanes would share.
    """
    bound = hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) == 1
    return torch.get_num_threads() if device.type == "cpu" and torch.backends.openmp.is_available() and not bound else 1


def describe_device(device: torch.device, dtype: torch.dtype, engine: str = "") -> str:
    """Device, number format and engine in words: "cuda:0 (NVIDIA ..., bfloat16)", "cpu (4 threads, float32)"."""
    number_format = str(dtype).removeprefix("torch.") + f", {engine}" * bool(engine)
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)}, {number_format})"
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu ({threads} thread{'s' * (threads > 1)}, {number_format})"
    return f"{device} ({number_format})"


def fast_at_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 rather than emulating it."""
    if device.type == "cuda":  # AMD's, or NVIDIA's from Ampere on; the GPU that was chosen, not the first one
        return bool(torch.version.hip) or torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):  # older ones can't tell
        known = torch.cpu.get_capabilities()
        return bool(known.get("avx512_bf16") or known.get("amx_bf16"))
    return False


def _fast_at_float16(device: torch.device) -> bool:
    """NVIDIA's GPUs before Ampere, from Volta on, which are fast at nothing else."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0)


def _free_bytes(device: torch.device) -> int:
    """What is free on a GPU, and what torch holds there but does not use."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
