"""Pictures (PNG, TIFF, JPEG) as cases: volumes of one slice, and their masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.picture import PICTURE_AFFINE, picture_channels, read_picture
from AttnSegLib.images.volume import Volume
from training.slices.case import Labelled


def picture_volume(pixels: np.ndarray) -> Volume:
    """Pixels (H, W) as a volume (1, H, W). Columns go towards the patient's left, rows towards the back.

    The spacing is set to 1 mm, since pictures have none.
    """
    return Volume(pixels[None], PICTURE_AFFINE)


def read_mask(path: Path, shape: tuple[int, ...], threshold: float = 127) -> np.ndarray:
    """Read a mask as 0 and 1 (H, W), uint8: 1 where a value is above the threshold, since edges can be soft.

    If no value is above 1, the threshold is 0.5. Raises `InputError` as `read_values` does.
    """
    values = read_values(path, shape)
    return (values > (threshold if values.max() > 1 else 0.5)).astype(np.uint8)


def read_values(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read the values (H, W) of a mask or a label picture. shape: (H, W) of its image.

    Raises `InputError` if the picture can't be read, has another shape than its image, or is in colour.
    """
    channels = picture_channels(path)
    if channels.shape[:2] != shape:
        raise InputError(
            f"The mask '{path.name}' has {_size(channels.shape)} pixels and its image {_size(shape)}; export the mask "
            "again, in the size of its image."
        )
    if np.ptp(channels, axis=2).any():
        raise InputError(
            f"The mask '{path.name}' is in colour, which says nothing of labels; save it as a grey picture."
        )
    return channels[..., 0]


def read_pair(image: Path, mask: Path) -> Labelled:
    """Read a picture and its mask of 0 and 1. Raises `InputError` as `read_picture` and `read_mask` do."""
    pixels = read_picture(image)
    return Labelled(picture_volume(pixels), read_mask(mask, pixels.shape)[None])


def pairs(images: dict[str, Path], masks: dict[str, Path], kind: str = "mask") -> Iterator[tuple[str, Path, Path]]:
    """Each name with its image and its mask, in alphabetical order.

    Args:
        images, masks: files by names.
        kind: what messages call a mask.

    Raises:
        InputError: for an image without a mask, or a mask without an image.
    """
    for name in sorted(images.keys() | masks.keys()):
        if name not in masks:
            raise InputError(f"The image '{images[name]}' has no {kind}; add it, or remove the image.")
        if name not in images:
            raise InputError(f"The {kind} '{masks[name]}' has no image; add it, or remove the {kind}.")
        yield name, images[name], masks[name]


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
