"""Who is compared: one file each, all with the same two functions.

network_alone(network, setting) -> slices (N, 1, H, W) on the setting's device to logits (N, C, H, W)
end_to_end(network, setting) -> (image file, folder) to the file with the label map, written there

Both prepare everything that can be kept from scan to scan, so that only the work itself is timed. Each docstring says
how the peer is run and why that is fair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module, util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.preprocessing import Preprocessing
from Testing.benchmarks.measuring.inputs import Case

Logits = Callable[[Tensor], Tensor]
Segment = Callable[[Path, Path], Path]


class Refused(Exception):
    """A peer can't be run as its row says. Says why, in words for the table."""


@dataclass(frozen=True)
class Setting:
    """The same for all: device, threads of the CPU, number format, preprocessing; size (H, W) in pixels, spacing
    (x, y, z) in mm, and intensities of the scan (those that become 0 and 1); mirrored: the mean over four flips;
    engine: AttnSeg's, "" for the faster one; bytes_per_pixel: of the network, as a model's card says it."""

    device: torch.device
    threads: int
    preprocessing: Preprocessing
    size: tuple[int, int]
    spacing: tuple[float, float, float]
    intensities: tuple[float, float]
    precision: str = "float32"
    mirrored: bool = False
    engine: str = ""
    bytes_per_pixel: float = 0.0

    @classmethod
    def of(cls, case: Case, device: torch.device, threads: int) -> Setting:
        """For a scan, and a network of which nothing is known."""
        size = case.volume.voxels.shape[1:3]
        intensities = SliceStack.of(case.volume, case.preprocessing).intensity_range
        return cls(device, threads, case.preprocessing, size, case.volume.spacing, intensities)

    @property
    def together(self) -> int:
        """Slices that go through a network at once: on a CPU as many as make one of 256x256, since small ones gain."""
        return 32 if self.device.type == "cuda" else max(1, 2**16 // (self.size[0] * self.size[1]))

    def parts(self, slices: Tensor) -> Iterator[Tensor]:
        """Slices (N, C, H, W), so many together, the last once more and again where some are missing."""
        for part in slices.split(self.together):
            missing = self.together - len(part)
            yield torch.cat([part, *[part[-1:]] * missing]) if missing else part

    def autocast(self) -> torch.autocast:
        """The context for the number format."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")


class OnlyLogits(nn.Module):
    """For those who know no deep supervision; its heads are of no use here, and cost time."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, slices: Tensor) -> Tensor:
        return self.network(slices).logits


@dataclass(frozen=True)
class Peer:
    """name: as tables say it; file: of this folder; needs: modules; devices: on which it is compared."""

    name: str
    file: str
    needs: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cpu", "cuda")
    precision: str = "float32"
    mirrored: bool = False
    engine: str = ""

    def why_not(self, device: torch.device, *, files: bool = False) -> str | None:
        """Why it can't take part, in words; None if it can. files: whether it is to read and write files, too."""
        needs = (*self.needs, "nibabel") if files and self.file == "monai_slices" else self.needs
        missing = [name for name in needs if util.find_spec(name) is None]
        if missing:
            return f"not installed: {', '.join(missing)}"
        return None if device.type in self.devices else f"compared on {' and '.join(map(_spoken, self.devices))} only"

    def network_alone(self, network: nn.Module, setting: Setting) -> Logits:
        """See above."""
        return self._module().network_alone(network, self._own(setting))

    def end_to_end(self, network: nn.Module, setting: Setting) -> Segment:
        """See above."""
        return self._module().end_to_end(network, self._own(setting))

    def _module(self) -> Any:
        return import_module(f"{__name__}.{self.file}")

    def _own(self, setting: Setting) -> Setting:
        return replace(setting, precision=self.precision, mirrored=self.mirrored, engine=self.engine)


def _spoken(device: str) -> str:
    return {"cpu": "the CPU", "cuda": "CUDA"}[device]


PAPERS = Peer("papers' way", "plain")
BEST = Peer("torch, best effort", "best_torch")
MONAI = Peer("MONAI SliceInferer", "monai_slices", ("monai",))
NNUNET = Peer("nnU-Net v2, no mirroring", "nnunet", ("nnunetv2",))
NNUNET_MIRRORED = Peer("nnU-Net v2, mirroring", "nnunet", ("nnunetv2",), mirrored=True)
ONNX_RUNTIME = Peer("ONNX Runtime", "onnx_runtime", ("onnxruntime", "onnxscript"), ("cpu",))
OPENVINO = Peer("OpenVINO", "openvino_runtime", ("openvino",), ("cpu",))
TORCH_ENGINE = Peer("AttnSeg, torch alone", "ours", devices=("cpu",), engine="torch")
OURS = Peer("AttnSeg", "ours")


def in_bfloat16(peer: Peer) -> Peer:
    """The same in the other number format, for those who offer it."""
    return replace(peer, name=f"{peer.name}, bf16", precision="bfloat16")


FLOAT32 = (PAPERS, BEST, MONAI, NNUNET, NNUNET_MIRRORED, ONNX_RUNTIME, OPENVINO, TORCH_ENGINE, OURS)
BFLOAT16 = tuple(in_bfloat16(peer) for peer in (BEST, MONAI, OPENVINO, TORCH_ENGINE, OURS))
ALL = (*FLOAT32, *BFLOAT16)
