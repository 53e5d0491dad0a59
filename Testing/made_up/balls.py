"""Bright balls in noise, in the layout of the Medical Segmentation Decathlon, and a recipe that trains on them."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

RECIPE = """
network = "anunet"
[options]
width = 2
num_classes = 1
[dataset]
name = "msd"
[split]
validation = ["case_2"]
test = ["case_3"]
[preprocessing]
plane = "acquired"
pixel_spacing = 2.0
percentiles = [0.5, 99.5]
[augmentation]
size = [32, 32]
flips = ["vertical"]
rotation = 10
noise = 0.5
[optimisation]
loss = "anu"
epochs = 2
batch_size = 4
learning_rate = 1e-2
ema = 0.5
validate_every = 1
select = "best"
[card]
title = "A ball in noise"
variant = "ANU-Net"
organ = "ball"
modality = "MR"
attention = ["gate 0,0"]
largest_component = false
licence = "CC0-1.0"
data_source = "made up"
[[card.labels]]
value = 1
name = "Ball"
color = [255, 0, 0]
category = { scheme = "SCT", value = "1", meaning = "Thing" }
type = { scheme = "SCT", value = "2", meaning = "Ball" }
"""


def a_ball(seed):
    """A bright ball in noise and its mask, 9 slices of 34 x 30."""
    k, j, i = np.mgrid[:9, :34, :30]
    rng = np.random.default_rng(seed)
    center = rng.uniform((3, 12, 12), (6, 20, 18))
    ball = ((k - center[0]) / 3) ** 2 + ((j - center[1]) / 7) ** 2 + ((i - center[2]) / 7) ** 2 < 1
    return (rng.normal(100, 10, k.shape) + 80 * ball).astype(np.int16), ball.astype(np.uint8)


def write_task(root: Path, count: int = 4) -> Path:
    """A Decathlon task of balls, case_0 to case_3, with the litter of the real archives."""
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
        (root / folder / "._case_0.nii.gz").write_bytes(b"macOS")
    for number in range(count):
        for folder, voxels in zip(("imagesTr", "labelsTr"), a_ball(number), strict=True):
            image = sitk.GetImageFromArray(voxels)
            image.SetSpacing((1.5, 1.5, 4.0))
            sitk.WriteImage(image, str(root / folder / f"case_{number}.nii.gz"))
    return root
