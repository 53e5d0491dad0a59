"""Makes the content of `report.json` for one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.prediction import Prediction
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.results.attention_report import attention_numbers
from AttnSegLib.results.measures import measure_segments
from AttnSegLib.results.report import REPORT_FORMAT, compare_with_reference, doubtful_slices, expected_dice, versions
from AttnSegLib.typed_json import to_json


@dataclass(frozen=True)
class Asked:
    """What the user asked for.

    Args:
        file: name of the image; None leaves it out of the report.
        level: to which an ANU-Net is pruned; None for the whole network.
        flips: whether the mean over flipped slices was taken.
        plane_was_chosen: whether the user chose another plane than the card's.
        without: titles of the attention maps that were switched off.
    """

    file: str | None = None
    level: int | None = None
    flips: bool = False
    plane_was_chosen: bool = False
    without: tuple[str, ...] = ()


def report_of_run(
    spec: ModelSpec, prediction: Prediction, asked: Asked, reference: np.ndarray | None = None
) -> dict[str, Any]:
    """The report without files, notices and seconds, which are known only later.

    reference: a label map (D, H, W) to compare with; None for none."""
    stack, label_map = prediction.stack, prediction.label_map
    report: dict[str, Any] = {
        "format": REPORT_FORMAT,
        "model": {
            "id": spec.id,
            "sha256": spec.sha256,
            "level": asked.level,
            "flips": asked.flips,
            "without": list(asked.without),
            "licence": spec.licence,
        },
        "input": _describe_input(asked.file, stack.volume),
        "slices": {
            "plane": stack.orientation.plane_name,
            "plane_was_chosen": asked.plane_was_chosen,
            "stored_axis_kji": stack.axes[0],
        },
        "segments": to_json(measure_segments(stack, label_map, spec.labels)),
        "slices_to_check": doubtful_slices(stack, label_map, prediction.expected_error),
        "expected_dice": expected_dice(stack, label_map, prediction.expected_error),
        "attention_numbers": attention_numbers(spec, prediction),
        "device": prediction.device,
        "versions": versions(),
    }
    if reference is not None:
        report["agreement_with_reference"] = compare_with_reference(reference, label_map, spec.labels)
    return report


def nothing_found(spec: ModelSpec, prediction: Prediction) -> list[str]:
    """A notice if the label map is empty; else an empty list."""
    if prediction.label_map.any():
        return []
    return [f"Nothing was found: is it the right scan for '{spec.id}', and is the organ in it?"]


def _describe_input(name: str | None, volume: Volume) -> dict[str, Any]:
    return {
        "file": name,
        "shape_kji": list(volume.voxels.shape),
        "spacing_ijk_mm": list(volume.spacing),
        "modality": volume.modality,
    }
