"""What a user paints in place of attention, from the volume's grid to the slices that a network sees."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from AttnSegLib.errors import InputError
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.networks.replacement import PAINTED


def check_painted(options: PredictionOptions, shape: tuple[int, ...]) -> None:
    """Raises `InputError` if the array of a map that is "painted" or "erased" is missing, is not on the volume's grid
    (D, H, W), or holds other numbers than those from 0 to 1."""
    for one in options.replaced:
        if one.how not in PAINTED:
            continue
        array = options.painted.get(one.map)
        if array is None or array.shape != shape:
            raise InputError(f"What takes the place of '{one.map}' must be an array on the volume's grid, {shape}.")
        if not ((array >= 0) & (array <= 1)).all():
            raise InputError(f"What takes the place of '{one.map}' must hold numbers from 0 to 1.")


def painted_slices(stack: SliceStack, options: PredictionOptions, numbers: list[int]) -> dict[str, Tensor]:
    """By title (n, 1, H, W) at the size that the network sees, of the slices with these numbers."""
    found = {}
    for title, array in options.painted.items():
        slices = torch.from_dlpack(stack.view(array)[numbers].astype(np.float32))
        found[title] = stack.at_model_size(slices[:, None])
    return found
