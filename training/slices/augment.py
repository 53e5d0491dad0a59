"""Changes slices at random, as another patient or another scanner could have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from monai.data import get_track_meta, set_track_meta
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandHistogramShiftd,
    RandScaleIntensityd,
    Transform,
)
from torch import Tensor

from AttnSegLib.errors import InputError


class LabelledSlice(NamedTuple):
    """A slice with its labels. image: (C, H, W), float32 in [0, 1]; target: (1, H, W), int64; name: for messages, such
    as "slice 12 of case_3"."""

    image: Tensor
    target: Tensor
    name: str


@dataclass(frozen=True)
class Augmentation:
    """Which random changes are made. By default, there are none.

    All channels of a slice change in the same way, but each has its own noise.

    Args:
        size: height and width of the result in pixels, cut out of the slice or padded with 0; None keeps the slice's.
        flips: "vertical", "horizontal" or both. The slice is mirrored along each with probability 0.5.
        rotation: largest angle, in degrees.
        scaling, shear: largest change, as a share.
        shift: largest shift, as a share of `size`.
        probability: that rotation, scaling, shear and shift are made, all in one resampling.
        gamma: lowest and highest exponent of the intensities, with probability 0.5.
        gain: largest change of all intensities, as a share, with probability 0.5.
        tones: probability of a random curve that changes intensities but keeps their order. It helps since tissues that
            look the same on one scanner may differ on another.
        blur: probability of Gaussian blur (sigma 0.3 to 1 pixel).
        noise: probability of Gaussian noise (standard deviation up to 0.04).

    Raises:
        InputError: for a size that is none, or a shift without a size.
    """

    size: tuple[int, int] | None = None
    flips: tuple[str, ...] = ()
    rotation: float = 0.0
    scaling: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    probability: float = 1.0
    gamma: tuple[float, float] | None = None
    gain: float = 0.0
    tones: float = 0.0
    blur: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.size is not None and not (isinstance(self.size, tuple) and len(self.size) == 2):
            raise InputError(f"The size {self.size!r} is not a height and a width in pixels, such as [256, 256].")
        if self.shift and self.size is None:
            raise InputError("An augmentation with a shift needs a size, of which the shift is a share.")

    def transform(self) -> Callable[[LabelledSlice, int], LabelledSlice]:
        """A function that changes a slice at random. Its second argument is the seed: the same seed makes the same
        change."""
        steps = Compose([*self._geometry(), *self._intensities()])

        def changed(sample: LabelledSlice, seed: int) -> LabelledSlice:
            steps.set_random_state(seed)
            with _plain_tensors():
                result = steps({"image": sample.image, "target": sample.target.float()})
            return LabelledSlice(result["image"].clamp(0.0, 1.0), result["target"].long(), sample.name)

        return changed

    def _geometry(self) -> list[Transform]:
        both = ("image", "target")
        axes = {"vertical": 0, "horizontal": 1}
        steps: list[Transform] = [RandFlipd(both, prob=0.5, spatial_axis=axes[flip]) for flip in self.flips]
        if self.size or self.rotation or self.scaling or self.shear or self.shift:
            height, width = self.size or (-1, -1)  # -1 keeps the size of the slice
            steps.append(
                RandAffined(
                    both,
                    prob=self.probability,
                    rotate_range=math.radians(self.rotation),
                    scale_range=(self.scaling, self.scaling),
                    shear_range=(self.shear, self.shear),
                    translate_range=(self.shift * max(height, 0), self.shift * max(width, 0)),
                    spatial_size=(height, width),
                    mode=("bilinear", "nearest"),
                    padding_mode="zeros",
                )
            )
        return steps

    def _intensities(self) -> list[Transform]:
        steps: list[Transform] = []
        if self.gamma:
            steps.append(RandAdjustContrastd("image", prob=0.5, gamma=self.gamma))
        if self.gain:
            steps.append(RandScaleIntensityd("image", factors=self.gain, prob=0.5))
        if self.tones:
            steps.append(RandHistogramShiftd("image", num_control_points=10, prob=self.tones))
        if self.blur:
            steps.append(RandGaussianSmoothd("image", prob=self.blur, sigma_x=(0.3, 1.0), sigma_y=(0.3, 1.0)))
        if self.noise:
            steps.append(RandGaussianNoised("image", prob=self.noise, std=0.04))
        return steps


@contextmanager
def _plain_tensors() -> Iterator[None]:
    """Switches off MONAI's record of changes, which takes as much time as the changes themselves."""
    before = get_track_meta()
    set_track_meta(False)
    try:
        yield
    finally:
        set_track_meta(before)
