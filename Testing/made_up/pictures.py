"""Pictures and volumes for the readers of data sets: an organ without symmetry, so that no flip goes unseen."""

import numpy as np
import SimpleITK as sitk

from training import datasets

SCAN = (np.arange(30) * 7).astype(np.uint8).reshape(5, 6)  # every pixel another value, so that no flip goes unseen
ORGAN = np.zeros((5, 6), np.uint8)
ORGAN[1, 2:5] = ORGAN[2, 4] = 1  # without symmetry


def write(path, pixels):
    """A picture (H, W), or (H, W, C) in colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.asarray(pixels)
    sitk.WriteImage(sitk.GetImageFromArray(pixels, isVector=pixels.ndim == 3), str(path))


def write_volume(path, voxels, spacing=(1.0, 2.0, 3.0)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))


def by_id(*args, **options):
    return {case.id: case for case in datasets.cases_of(*args, **options)}


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
