"""Was a contrast agent given? A CT's own voxels tell it to a model that knows no other."""

from __future__ import annotations

import numpy as np

from AttnSegLib.images.volume import Volume

_SLICES = 40  # enough, and the panel does not wait
_BLOCK_MM = 6.0  # averaged, so that noise does not look like contrast
_SOFT_TISSUE = (0.0, 200.0)  # HU
_BONE = 265.0  # HU; bone, and what lies within a block of it, may be as bright as an enhanced organ
# HU. Without contrast only the liver comes near (55 to 65); in the portal venous phase liver, spleen, kidneys and
# vessels are brighter.
_ENHANCED = 75.0
# Share of soft tissue. In 17 portal venous scans of the abdomen 0.16 to 0.53, in two without contrast 0.02 and 0.04:
# docs/models.md.
_SHARE = 0.08
_FEWEST_BLOCKS = 500  # of soft tissue, below which nothing is said


def lacks_contrast(volume: Volume) -> bool:
    """Whether a CT in HU looks as if no contrast agent was given; False if it shows too little soft tissue to tell."""
    blocks = enhanced_blocks(volume)
    return blocks.size >= _FEWEST_BLOCKS and float(blocks.mean()) < _SHARE


def enhanced_blocks(volume: Volume) -> np.ndarray:
    """For each block of soft tissue away from bone: is it as bright as an organ with contrast? Shape (number,)."""
    from scipy import ndimage  # here, or 3D Slicer's panel would wait for it, whatever the model

    voxels = volume.voxels[:: max(1, len(volume.voxels) // _SLICES)]
    size, spacing = voxels.shape[1:], volume.spacing[1::-1]
    high, wide = (min(n, max(1, round(_BLOCK_MM / mm))) for n, mm in zip(size, spacing, strict=True))
    rows, columns = size[0] // high, size[1] // wide
    whole = voxels[:, : rows * high, : columns * wide].reshape(-1, rows, high, columns, wide)
    with np.errstate(over="ignore", invalid="ignore"):  # of what is no HU
        mean = whole.mean((2, 4), dtype=np.float32)
    near_bone = ndimage.binary_dilation(whole.max((2, 4)) >= _BONE, np.ones((1, 3, 3)))
    soft = (mean > _SOFT_TISSUE[0]) & (mean < _SOFT_TISSUE[1]) & ~near_bone
    return np.asarray(mean[soft] > _ENHANCED)
