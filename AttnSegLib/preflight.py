"""Does a volume fit a model? Sentences to read before the result is believed."""

from __future__ import annotations

import numpy as np

from AttnSegLib.catalog import ModelSpec
from AttnSegLib.volume import Volume

_AIR = -300  # HU; MR has no such intensities, and a CT without 0.5 % of air or lung is rare
_AIR_SHARE = 0.005


def warnings(volume: Volume, spec: ModelSpec) -> list[str]:
    """What speaks against giving this volume to this model; empty if nothing does."""
    if volume.modality is not None:
        if volume.modality == spec.modality:
            return []
        evidence = f"is {volume.modality} by its DICOM header"
    elif spec.modality == "MR" and _looks_like_ct(volume.voxels):
        evidence = f"looks like CT (many voxels below {_AIR})"
    elif spec.modality == "CT" and volume.voxels.min() >= 0:
        evidence = "does not look like CT in HU (no voxel is negative)"
    else:
        return []
    return [
        f"The volume {evidence}, but the model '{spec.id}' was trained on {spec.modality}: "
        f"expect a wrong result and choose a model for the right modality."
    ]


def _looks_like_ct(voxels: np.ndarray) -> bool:
    return float(np.mean(voxels < _AIR)) > _AIR_SHARE
