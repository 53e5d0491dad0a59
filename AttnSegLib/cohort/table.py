"""The table of a cohort: a row a case, model and segment."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from AttnSegLib.cohort.records import CaseRecord
from AttnSegLib.errors import printable
from AttnSegLib.results.slices_to_check import DOUBTFUL, area_jumps

COLUMNS = (
    *("case", "status", "model", "model_sha256", "segment", "volume_ml", "mean_intensity", "sd_intensity"),
    *("extent_i_mm", "extent_j_mm", "extent_k_mm", "slices", "first_slice", "last_slice"),
    *("trust", "slices_to_check", "area_jumps", "seconds", "notices", "sentence", "image", "results"),
)


def table_text(records: Iterable[CaseRecord], *, names: bool) -> str:
    """The table as CSV. names: whether the column `image` tells the path of each scan."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for record in records:
        for row in _rows(record, names=names):
            writer.writerow({name: "" if value is None else value for name, value in row.items()})
    return text.getvalue()


def _rows(record: CaseRecord, *, names: bool) -> Iterator[dict[str, Any]]:
    """One for each segment; a case that is not done has one row."""
    common: dict[str, Any] = {
        "case": record.case.name,
        "status": record.status,
        "model": record.spec.id,
        "model_sha256": record.spec.sha256,
        "sentence": record.sentence,
        "image": printable(str(record.case.image)) if names else "",
    }
    if record.report is None:
        yield common
        return
    common |= {
        "trust": record.report.get("expected_dice"),
        "slices_to_check": " ".join(str(one["index"]) for one in record.report["slices_to_check"]),
        "seconds": round(sum(record.report["seconds"].values()), 2),
        "notices": " ".join(record.report["notices"]),
        "results": f"cases/{record.case.name}/{record.spec.id}",
    }
    for segment in record.report["segments"]:
        yield common | _of_segment(segment)


def _of_segment(segment: Mapping[str, Any]) -> dict[str, Any]:
    areas = segment["slice_area_mm2"]
    filled = [index for index, area in enumerate(areas) if area > 0]
    extent = segment.get("extent_ijk_mm") or ("", "", "")
    return {
        "segment": segment["id"],
        **{name: segment[name] for name in ("volume_ml", "mean_intensity", "sd_intensity", "slices")},
        **dict(zip(("extent_i_mm", "extent_j_mm", "extent_k_mm"), extent, strict=True)),
        "first_slice": filled[0] if filled else None,
        "last_slice": filled[-1] if filled else None,
        "area_jumps": sum(jump > DOUBTFUL for jump in area_jumps(areas)),
    }
