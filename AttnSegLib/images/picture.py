"""Pictures (PNG, TIFF, JPEG): their pixels, and where those are taken to lie.

A picture says neither how large its pixels are nor how the patient lies in it: a pixel is taken as 1 mm, and the
picture as an axial slice as radiologists see it, with the patient's left at the right edge and the back below.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.images.grid import not_said
from AttnSegLib.images.stored import Contents, name_for_itk

if TYPE_CHECKING:
    import SimpleITK as sitk

IMAGE_IOS = {
    ".png": "PNGImageIO",
    ".tif": "TIFFImageIO",
    ".tiff": "TIFFImageIO",
    ".jpg": "JPEGImageIO",
    ".jpeg": "JPEGImageIO",
}
PICTURE_AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])  # columns count towards the patient's left, rows towards the back
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of red, green, blue, after ITU-R BT.601
_SILENT = (
    "how large its pixels are (taken as 1 mm)",
    "how it lies in the patient (taken as an axial slice, the patient's left at the right edge, the back below)",
)


def is_picture(path: Path) -> bool:
    """By the suffix."""
    return path.suffix.lower() in IMAGE_IOS


def read_picture_file(path: Path) -> Contents:
    """The one slice of a picture. Raises `InputError` as `read_picture`."""
    return Contents(read_picture(path)[None], PICTURE_AFFINE.copy(), not_said(*_SILENT))


def read_picture(path: Path) -> np.ndarray:
    """Pixels (H, W) as stored. Colour becomes grey: exactly where the channels agree, else as luminance (float32).

    An alpha channel is ignored. Raises `InputError` if the picture can't be read or has several pages or NaN.
    """
    channels = picture_channels(path)
    return channels.astype(np.float32) @ _LUMINANCE if np.ptp(channels, axis=2).any() else channels[..., 0]


def picture_channels(path: Path) -> np.ndarray:
    """Pixels (H, W, C), C = 1 or 3. Raises `InputError` as `read_picture`."""
    import SimpleITK as sitk

    image = _read_image(path)
    array = sitk.GetArrayFromImage(image)
    if image.GetDimension() > 2:
        raise InputError(f"'{path.name}' has {len(array)} pages; save each as a picture of its own.")
    array = array.reshape(*array.shape[:2], -1)
    if not np.isfinite(array).all():
        raise InputError(f"'{path.name}' has NaN or infinite pixels; replace them first.")
    return array[..., :3] if array.shape[2] > 2 else array[..., :1]  # the second or fourth is alpha


def _read_image(path: Path) -> sitk.Image:
    import SimpleITK as sitk

    try:
        name = name_for_itk(path)
        content = path.read_bytes()
        if content.startswith(b"\xff\xd8") and content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
            raise EOFError  # a JPEG scan without its end, which ITK fills up with grey
        return sitk.ReadImage(name, imageIO=IMAGE_IOS[path.suffix.lower()])
    except OSError as error:
        raise InputError(f"'{path}' can't be opened ({cause_of(error)}); check the path and permissions.") from error
    except (RuntimeError, EOFError) as error:
        wanted = "a grey picture without transparency, or a colour picture, of the format that its name says"
        raise InputError(f"'{path.name}' is damaged or not {wanted}; copy it or save it again.") from error
