"""Reads pictures (PNG, TIFF, JPEG) as volumes of one slice, and their masks.

A picture says neither how large its pixels are nor how the patient lies in it. So a pixel is taken as 1 mm, and the
picture as an axial slice as radiologists see it, with the patient's left at the right edge and the back below.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.images.stored import name_for_itk
from AttnSegLib.images.volume import Volume
from training.slices.case import Labelled

IMAGE_IOS = {
    ".png": "PNGImageIO",
    ".tif": "TIFFImageIO",
    ".tiff": "TIFFImageIO",
    ".jpg": "JPEGImageIO",
    ".jpeg": "JPEGImageIO",
}
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of red, green, blue, after ITU-R BT.601


def read_picture(path: Path) -> np.ndarray:
    """Read the pixels (H, W) of a picture. Colour becomes grey.

    If all channels are the same, the values stay as stored; else they become the luminance, float32. An alpha channel
    is ignored. Raises `InputError` if the picture can't be read, or has several pages or NaN.
    """
    channels = _channels(path)
    return channels.astype(np.float32) @ _LUMINANCE if np.ptp(channels, axis=2).any() else channels[..., 0]


def picture_volume(pixels: np.ndarray) -> Volume:
    """Pixels (H, W) as a volume (1, H, W). Columns go towards the patient's left, rows towards the back.

    The spacing is set to 1 mm, since pictures have none.
    """
    return Volume(pixels[None], np.diag([-1.0, -1.0, 1.0, 1.0]))


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
    channels = _channels(path)
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


def _channels(path: Path) -> np.ndarray:
    """Read the pixels (H, W, C) of a picture, with C = 1 or 3."""
    image = _read_file(path)
    array = sitk.GetArrayFromImage(image)
    if image.GetDimension() > 2:
        raise InputError(f"'{path.name}' has {len(array)} pages; save each as a picture of its own.")
    array = array.reshape(*array.shape[:2], -1)
    if not np.isfinite(array).all():
        raise InputError(f"'{path.name}' has NaN or infinite pixels; replace them before training.")
    return array[..., :3] if array.shape[2] > 2 else array[..., :1]  # a second or fourth channel is alpha


def _read_file(path: Path) -> sitk.Image:
    try:
        name = name_for_itk(path)
        content = path.read_bytes()
        if content.startswith(b"\xff\xd8") and content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
            raise EOFError  # a JPEG that is cut off; ITK would fill the rest with grey
        return sitk.ReadImage(name, imageIO=IMAGE_IOS[path.suffix.lower()])
    except OSError as error:
        raise InputError(f"'{path}' can't be opened ({cause_of(error)}); check the path and permissions.") from error
    except (RuntimeError, EOFError) as error:
        wanted = "a grey picture without transparency, or a colour picture, of the format that its name says"
        raise InputError(f"'{path.name}' is damaged or not {wanted}; copy it or save it again.") from error


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
