"""A case of a cohort."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CohortCase:
    """One scan. name: of its folder of results, no two alike; image: file or folder of DICOM slices; series: number of
    the DICOM series to take."""

    name: str
    image: Path
    series: str | None = None
