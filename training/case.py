"""A labelled volume, and the split of a set of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.volume import Volume


class Case(NamedTuple):
    """One patient's labelled volume. label_map: (D, H, W) uint8 on the volume's grid."""

    id: str
    volume: Volume
    label_map: np.ndarray


def split(cases: Sequence[Case], validation_ids: Sequence[str]) -> tuple[list[Case], list[Case]]:
    """Training and validation cases; a case is a patient, so no patient is in both.

    Raises `InputError` for an id that no case or more than one case has, and if either side is empty.
    """
    ids = [case.id for case in cases]
    for case_id in validation_ids:
        if ids.count(case_id) != 1:
            raise InputError(f"The data set has {ids.count(case_id)} cases '{case_id}'; it has: {', '.join(ids)}.")
    training = [case for case in cases if case.id not in validation_ids]
    validation = [case for case in cases if case.id in validation_ids]
    if not training or not validation:
        raise InputError("The split leaves no case for training or none for validation; change the validation ids.")
    return training, validation
