"""Writes a network as an ONNX file, for programs without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from AttnSegLib.errors import InputError

_TOLERANCE = 1e-4  # largest difference of logits, for a standard deviation of up to 1; more for a larger one


class _Logits(nn.Module):
    """A network that returns only its logits."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, slices: Tensor) -> Tensor:
        logits: Tensor = self.network(slices).logits
        return logits


def write_onnx(network: nn.Module, channels: int, size: tuple[int, int], path: Path) -> None:
    """Write a network that takes any number of slices (N, C, H, W), all of one size.

    The size is fixed, since Omega-Net's regions depend on it.

    Args:
        network: to write.
        channels: C.
        size: H and W, in pixels.
        path: of the file.

    Raises:
        InputError: if a package for ONNX is not installed, if the network can't take slices of this size, or if the
            file gives other results than torch.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  # torch's exporter needs it, and its own message is long
    except ImportError as error:
        raise InputError(
            "An ONNX file needs onnx, onnxscript and onnxruntime; install them, or leave --onnx out."
        ) from error
    multiple = int(getattr(network, "size_multiple", 1))
    if any(side < 1 or side % multiple for side in size):
        raise InputError(f"An ONNX file of this network needs slices of a multiple of {multiple} pixels, not {size}.")
    slices = torch.rand(3, channels, *size, generator=torch.Generator().manual_seed(0))
    module = _Logits(network.cpu()).eval()
    program = torch.onnx.export(
        module,
        (slices[:2],),
        dynamo=True,
        verbose=False,
        dynamic_shapes=({0: torch.export.Dim("slices")},),
        input_names=["slices"],
        output_names=["logits"],
    )
    assert program is not None  # never None with dynamo=True; for mypy
    program.save(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = module(slices).numpy()
    [found] = session.run(None, {"slices": slices.numpy()})
    if not (difference := float(np.abs(found - expected).max())) <= _TOLERANCE * max(1.0, float(expected.std())):
        path.unlink()
        raise InputError(f"The ONNX file differs from torch by up to {difference:.2g} in its logits; it was removed.")
