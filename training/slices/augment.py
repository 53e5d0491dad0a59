"""Random changes of slices that a patient or a scanner could have made."""

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
    """A slice (C, H, W), float32 in [0, 1]; its labels (1, H, W), int64; its name for messages: "slice 12 of
    case_3"."""

    image: Tensor
    target: Tensor
    name: str


@dataclass(frozen=True)
class Augmentation:
    """What may change, all off by default.

    size: height and width of the result in pixels, cut out of the slice or padded with 0; None keeps the slice's.
    flips: axes that are mirrored, each with probability 0.5: "vertical", "horizontal". rotation: largest angle, in
    degrees. scaling, shear: largest change, as a share. shift: largest, as a share of the size. probability: of all
    four, in one resampling. gamma: exponents from and to, with probability 0.5; gain: largest change of intensity, as a
    share, with 0.5. tones: probability of another curve of tones, which keeps their order but moves them at random:
    tissues that look alike on one scanner differ on another. blur, noise: probabilities of Gaussian blur (sigma 0.3 to
    1 pixel) and noise (sd up to 0.04). All channels of a slice change alike, but each has its own noise."""

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
        """What changes a sample at random; the number decides how, so that the same number gives the same result."""
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
            height, width = self.size or (-1, -1)  # as the slice
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
    """Without MONAI's record of what was done to them, which takes as long as doing it."""
    before = get_track_meta()
    set_track_meta(False)
    try:
        yield
    finally:
        set_track_meta(before)
