"""A labelled case of a data set. Its files are read only by `read`, so that large data sets fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from AttnSegLib.images.volume import Volume


class Labelled(NamedTuple):
    """A volume and its label map (D, H, W), uint8, on the volume's grid."""

    volume: Volume
    label_map: np.ndarray


@dataclass(frozen=True)
class Case:
    """One labelled volume.

    Args:
        id: of the case; no other case of the data set has it.
        patient: of whom the case is. A split keeps all cases of a patient together.
        read: reads the case from disk. Raises `InputError` for files that can't be used.
    """

    id: str
    patient: str
    read: Callable[[], Labelled]
