"""EC-CaM-UNet's Fig. 6: what attention puts out in several networks, side by side on one slice.

The paper calls it activate maps and does not say how they are made, and squeeze and excitation has no map. So it is
read as the mean over the channels of the features that the attention has weighed, each picture from its least to its
largest value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.blocks import resize
from training.scoring.figures import save_small
from training.slices.case import Labelled

# Whose output it is. Attention U-Net's is the first block that sees gated features; DANet's, the sum of both branches.
WEIGHED = {
    "eccamunet": "bottom.attention",
    "seunet": "bottom.attention",
    "cbamunet": "bottom.attention",
    "attentionunet": "decoder.3",
    "danet": "heads.0.0",
}


@dataclass(frozen=True, eq=False)
class ShownSlice:
    """A slice as the networks see it. image: (1, C, H, W); truth: labels (H, W)."""

    image: Tensor
    truth: np.ndarray

    @classmethod
    def of(cls, labelled: Labelled, preprocessing: Preprocessing) -> ShownSlice:
        """The slice with the most of all labels in it."""
        stack = SliceStack.of(labelled.volume, preprocessing)
        number = int(np.argmax(np.count_nonzero(stack.view(labelled.label_map), axis=(1, 2))))
        truth = stack.targets(labelled.label_map, [number], int(labelled.label_map.max()))
        return cls(stack.slices([number]), np.from_dlpack(truth[0]))


def activation(network: nn.Module, name: str, image: Tensor) -> np.ndarray:
    """(H, W) from 0 to 1. name: of the network, one of `WEIGHED`; image: (1, C, H, W)."""
    kept: list[Tensor] = []
    hook = network.get_submodule(WEIGHED[name]).register_forward_hook(lambda _m, _x, output: kept.append(output))
    try:
        with torch.inference_mode():
            network.eval()(image)
    finally:
        hook.remove()
    mean = resize(kept[0].float().mean(dim=1, keepdim=True), (image.shape[2], image.shape[3]))[0, 0]
    least, largest = mean.min(), mean.max()
    return np.from_dlpack((mean - least) / (largest - least).clamp_min(1e-12))


def draw_activations(path: Path, shown: ShownSlice, found: Mapping[str, np.ndarray]) -> None:
    """Write a PNG: the slice, the truth, and each row's activation over the slice. found: method to (H, W)."""
    image = np.from_dlpack(shown.image[0, shown.image.shape[1] // 2].contiguous())
    columns = ["input", "truth", *found]
    height = 2.0 * min(2.0, image.shape[0] / image.shape[1]) + 0.4
    figure = Figure((2.0 * len(columns), height), layout="constrained", dpi=120)
    for axes, title in zip(figure.subplots(1, len(columns)), columns, strict=True):
        axes.imshow(image, "gray", origin="lower")
        if title == "truth":
            axes.imshow(np.ma.masked_equal(shown.truth, 0), "autumn", origin="lower", interpolation="nearest")
        elif title in found:
            axes.imshow(found[title], "jet", alpha=0.5, vmin=0, vmax=1, origin="lower")
        axes.set(xticks=[], yticks=[], xlim=(image.shape[1], 0))
        axes.set_title(title, fontsize=9)
    save_small(figure, path)
