"""CHAOS challenge, the CT part: livers of healthy donors.

Layout: CT/<patient>/DICOM_anon/*.dcm and CT/<patient>/Ground/liver_GT_*.png, one PNG per slice. Sorted by name,
the first PNG belongs to the first slice file, and so on; but the order of names is often not that of positions. Slices
overlap: their distance is less than their SliceThickness.
Kavur et al., "CHAOS Challenge", Medical Image Analysis 69 (2021) 101950. CC-BY-SA 4.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from training.datasets import chaos_mr
from training.slices.case import Case

SOURCE = chaos_mr.SOURCE
LABELS = {1: "liver"}

_LEVELS = {1: 1, 255: 1}


def cases(root: Path) -> Iterator[Case]:
    """One case for each patient. Raises `InputError` for a patient without slices or masks."""
    for patient in chaos_mr.patients(root, "CT"):
        series, masks = patient / "DICOM_anon", patient / "Ground"
        chaos_mr.check_folders(series, masks)
        yield Case(f"ct_{patient.name}", f"ct_{patient.name}", partial(chaos_mr.read, series, masks, _LEVELS))
