"""Random changes of slices that a patient or a scanner could have made."""

from __future__ import annotations

import math

from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
)

from training.slices import Sample


class Augmentation:
    """Rotation, scaling, shear, shift and crop in one resampling; then contrast, gain, blur and noise.

    crop: height and width of the result in pixels. No mirroring: `Preprocessing` has already turned every slice to one
    anatomical orientation.
    """

    def __init__(self, crop: int):
        size = (crop, crop)
        both = ("image", "target")
        self._transform = Compose(
            [
                RandAffined(
                    both,
                    prob=1.0,
                    rotate_range=math.radians(20),
                    scale_range=(0.25, 0.25),
                    shear_range=(0.1, 0.1),
                    translate_range=(crop // 6, crop // 6),
                    spatial_size=size,
                    mode=("bilinear", "nearest"),
                    padding_mode="zeros",
                ),
                RandAdjustContrastd("image", prob=0.5, gamma=(0.6, 1.6)),
                RandScaleIntensityd("image", factors=0.25, prob=0.5),
                RandGaussianSmoothd("image", prob=0.2, sigma_x=(0.3, 1.0), sigma_y=(0.3, 1.0)),
                RandGaussianNoised("image", prob=0.3, std=0.04),
            ]
        )

    def reseed(self, seed: int) -> None:
        """Start another sequence of random changes; each process that loads slices needs its own."""
        self._transform.set_random_state(seed)

    def __call__(self, sample: Sample) -> Sample:
        """A changed copy of the sample, crop x crop pixels."""
        changed = self._transform({"image": sample.image, "target": sample.target.float()})
        return Sample(changed["image"].as_tensor().clamp(0.0, 1.0), changed["target"].as_tensor().long())
