"""What Slicer's own readers assumed of a volume, as far as its node shows it. No Qt."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

_UNEVEN = 0.05  # difference between distances of slices, as a share of the usual one
_POSITION = "0020,0032"  # ImagePositionPatient


def notices_of_node(node: Any) -> tuple[str, ...]:
    """Notices in the form of `Volume.notices`."""
    instances = (node.GetAttribute("DICOM.instanceUIDs") or "").split()
    if instances:
        return _uneven(instances)
    if node.GetSpacing() == (1.0, 1.0, 1.0):
        return (
            "The voxels are exactly 1 mm apart along all axes, which is also what Slicer takes if a file does not say "
            "it; check the spacing (module Volumes).",
        )
    return ()


def _uneven(instances: list[str]) -> tuple[str, ...]:
    """Whether slices are not evenly spaced, by the database from which Slicer loaded them."""
    steps = _distances([_position(instance) for instance in instances])
    if steps is None or np.ptp(steps) <= _UNEVEN * float(np.median(steps)):
        return ()
    return (
        f"The volume's DICOM slices are {steps.min():.4g} to {steps.max():.4g} mm apart, and Slicer shows them as if "
        "they were evenly spaced; load the series again as Slicer's DICOM module offers it, with a regularization.",
    )


def _position(instance: str) -> str:
    """As the header has it, "" if the database does not know the slice any more."""
    database = getattr(slicer, "dicomDatabase", None)
    return database.instanceValue(instance, _POSITION) if database is not None else ""


def _distances(positions: list[str]) -> np.ndarray | None:
    """mm between slices in their order in space, None if that can't be told."""
    try:
        points = np.array([[float(number) for number in position.split("\\")] for position in positions])
    except ValueError:
        return None
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 3:
        return None
    along = points - points[0]
    farthest = along[np.linalg.norm(along, axis=1).argmax()]
    length = float(np.linalg.norm(farthest))
    return np.diff(np.sort(along @ farthest / length)) if length else None
