"""MONAI: `SliceInferer` over the scan, a network that returns logits, and MONAI's own transforms around it.

The inferer as MONAI's tutorial "2d_inference_3d_volume" uses it, a window as large as the slice, so that each slice is
one window and nothing is blended. `sw_batch_size` is its default 1 on a CPU for slices of 256x256, where 2 and 4 were
slower (ANU-Net, one thread: 1.6, 1.9, 2.5 s a slice), more for small ones, 32 on a GPU. The network lies channels
last, and autocast is on where bfloat16 is asked for, as whoever tunes torch would have it. Reading and writing are
MONAI's (`LoadImage` with nibabel, `SaveImage`), intensities its `ScaleIntensityRange(Percentiles)`. The one thing added
is a transpose: nibabel's axes run (i, j, k), and the same weights must see the same slices.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from monai import transforms
from monai.inferers import SliceInferer
from torch import Tensor, nn

from Testing.benchmarks.others.peers import Logits, OnlyLogits, Segment, Setting


def network_alone(network: nn.Module, setting: Setting) -> Logits:
    scan = _scan(network, setting)
    return lambda slices: scan(slices.transpose(0, 1)[None])[0].transpose(0, 1)


def end_to_end(network: nn.Module, setting: Setting) -> Segment:
    scan = _scan(network, setting)
    logging.getLogger("monai").setLevel(logging.ERROR)  # it misses decoders of DICOM
    kji = transforms.Transpose((0, 3, 2, 1))
    with warnings.catch_warnings(action="ignore"):
        load = transforms.LoadImage(reader="NibabelReader")
    before = transforms.Compose([load, transforms.EnsureChannelFirst(), kji, _intensities(setting)])
    after = transforms.Compose([transforms.AsDiscrete(argmax=True), kji])

    def segment(image_file: Path, folder: Path) -> Path:
        image = before(image_file)
        labels = after(scan(image[None].to(setting.device))[0])
        save = transforms.SaveImage(
            folder, output_postfix="labels", output_dtype=np.uint8, separate_folder=False, print_log=False
        )
        save(labels)
        return folder / f"{image_file.name.removesuffix('.nii.gz')}_labels.nii.gz"

    return segment


def _scan(network: nn.Module, setting: Setting) -> Logits:
    """(1, 1, D, H, W) to logits (1, C, D, H, W)."""
    only_logits = OnlyLogits(network).eval().to(setting.device, memory_format=torch.channels_last)
    inferer = SliceInferer(roi_size=setting.size, sw_batch_size=setting.together, spatial_dim=0)

    @torch.inference_mode()
    def scan(volume: Tensor) -> Tensor:
        with setting.autocast():
            return inferer(volume, only_logits)

    return scan


def _intensities(setting: Setting) -> transforms.Transform:
    if setting.preprocessing.window:
        return transforms.ScaleIntensityRange(*setting.preprocessing.window, 0.0, 1.0, clip=True)
    return transforms.ScaleIntensityRangePercentiles(*setting.preprocessing.percentiles, 0.0, 1.0, clip=True)
