"""The papers' way: one slice at a time, float32, the network as it is built, plain eager PyTorch.

So run the papers' published test scripts: a loop over slices with a batch of one. In `inference_mode`, which is faster
than their `no_grad`. Files go through SimpleITK; whoever has only a network writes these twenty lines. Mirrored, it is
the reference for nnU-Net's mirroring: the mean of the logits of four flips.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor, nn

from Testing.benchmarks.others.peers import Logits, Segment, Setting

_FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))


def network_alone(network: nn.Module, setting: Setting) -> Logits:
    network = network.eval().to(setting.device)
    flips = _FLIPS if setting.mirrored else _FLIPS[:1]

    @torch.inference_mode()
    def logits(slices: Tensor) -> Tensor:
        with setting.autocast():
            return torch.cat([_mean(network, one, flips) for one in slices.split(1)])

    return logits


def end_to_end(network: nn.Module, setting: Setting) -> Segment:
    return with_files(network_alone(network, setting), setting)


def with_files(logits: Logits, setting: Setting) -> Segment:
    """The whole way around a network: read, scale the intensities, take the most probable class, write.

    Sixteen slices at a time, so that logits of a whole scan are never kept.
    """

    def segment(image_file: Path, folder: Path) -> Path:
        image = sitk.ReadImage(str(image_file))
        voxels = sitk.GetArrayFromImage(image).astype(np.float32)
        lower, upper = setting.preprocessing.window or np.percentile(
            voxels, setting.preprocessing.percentiles or (0, 100)
        )
        voxels = np.clip((voxels - np.float32(lower)) / np.float32(upper - lower), 0, 1)
        slices = torch.from_numpy(voxels)[:, None]
        label_map = np.concatenate(
            [logits(part.to(setting.device)).argmax(1).to(torch.uint8).cpu().numpy() for part in slices.split(16)]
        )
        result = sitk.GetImageFromArray(label_map)
        result.CopyInformation(image)
        path = folder / "labels.nrrd"
        sitk.WriteImage(result, str(path), useCompression=True)
        return path

    return segment


def _mean(network: nn.Module, one: Tensor, flips: tuple[tuple[int, ...], ...]) -> Tensor:
    """(1, C, H, W) of one slice (1, 1, H, W)."""
    parts = [network(one.flip(axes)).logits.flip(axes) if axes else network(one).logits for axes in flips]
    return parts[0] if len(parts) == 1 else torch.stack(parts).mean(dim=0)
