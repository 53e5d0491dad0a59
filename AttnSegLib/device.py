"""Which device and number format a prediction runs with."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from AttnSegLib.errors import InputError

DEVICES = "auto, cpu, cuda, cuda:0, ..., mps"


@dataclass(frozen=True)
class Compute:
    """How to run a network.

    device: "auto" takes a CUDA card if there is one, else Apple's GPU, else the CPU.
    batch_size: slices at once; None takes what suits the device.
    precision: "float32", "bfloat16", or "auto": bfloat16 on cards that are fast at it, else float32.
    """

    device: str = "auto"
    batch_size: int | None = None
    precision: str = "auto"

    def resolve_device(self) -> torch.device:
        """The device itself. Raises `InputError` for one that torch does not know or this machine does not have."""
        name = _best_device() if self.device == "auto" else self.device
        try:
            device = torch.device(name)
            torch.zeros(1, device=device).item()  # a card that this torch was not built for fails here
        except (RuntimeError, AssertionError, NotImplementedError) as error:  # AssertionError: torch without CUDA
            raise InputError(f"The device '{name}' is not usable here; choose one of: {DEVICES}.") from error
        return device

    def resolve_batch_size(self, device: torch.device) -> int:
        """Slices at once. On a CPU small batches are as fast, cost less memory, and let a cancel through soon.

        Raises `InputError` for a size below 1.
        """
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"The batch size must be 1 slice or more, not {self.batch_size}.")
        return self.batch_size or (4 if device.type == "cpu" else 32)

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context in which the network runs. Raises `InputError` for an unknown precision."""
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise InputError(f"There is no precision '{self.precision}'; choose auto, float32 or bfloat16.")
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        wanted = self.precision == "bfloat16" or (self.precision == "auto" and fast)
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def describe(device: torch.device) -> str:
    """The device in words: "cuda:0 (NVIDIA ...)" or "cpu (4 threads)"."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
