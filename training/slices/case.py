"""A labelled case: what a data set consists of. Nothing is read before `read`, so that large sets fit into memory."""

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
    """One labelled volume. id: unique in its data set; patient: cases of one patient never part in a split.

    read: reads it from disk; raises `InputError` for files that can't be used.
    """

    id: str
    patient: str
    read: Callable[[], Labelled]
