"""The table of a cohort: a row a case, model and segment; as CSV, and where pyarrow is installed as Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, BinaryIO

from AttnSegLib.cohort.records import CaseRecord
from AttnSegLib.errors import printable
from AttnSegLib.results.slices_to_check import DOUBTFUL, area_jumps

COLUMNS = (
    *("case", "status", "decision", "model", "model_sha256", "segment", "volume_ml", "mean_intensity", "sd_intensity"),
    *("extent_i_mm", "extent_j_mm", "extent_k_mm", "slices", "first_slice", "last_slice"),
    *("trust", "slices_to_check", "area_jumps", "seconds", "notices", "sentence", "image", "series", "results"),
)
_WHOLE = ("slices", "first_slice", "last_slice", "area_jumps")
_REAL = (
    *("volume_ml", "mean_intensity", "sd_intensity", "extent_i_mm", "extent_j_mm", "extent_k_mm"),
    *("trust", "seconds"),
)


def table_rows(records: Iterable[CaseRecord], *, names: bool) -> list[dict[str, Any]]:
    """The rows, by the names of `COLUMNS`; what is not known is None or left out. names: whether the columns
    `image` and `series` tell where each scan is."""
    return [row for record in records for row in _rows(record, names=names)]


def table_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """The table as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value is None else value for name, value in row.items()})
    return text.getvalue()


def can_write_parquet() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def write_parquet(file: BinaryIO, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table as Parquet; what is not known is null, whatever the rest of a column is. Raises `OSError`."""
    import pyarrow
    from pyarrow import parquet

    kinds = dict.fromkeys(_WHOLE, pyarrow.int64()) | dict.fromkeys(_REAL, pyarrow.float64())
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])
    known = [{name: row.get(name) for name in COLUMNS} for row in rows]
    parquet.write_table(pyarrow.Table.from_pylist(known, schema), file)


def _rows(record: CaseRecord, *, names: bool) -> Iterator[dict[str, Any]]:
    """One for each segment; a case that is not done has one row."""
    common: dict[str, Any] = {
        "case": record.case.name,
        "status": record.status,
        "decision": record.decision or None,
        "model": record.spec.id,
        "model_sha256": record.spec.sha256,
        "sentence": record.sentence,
        "image": printable(str(record.case.image.absolute())) if names else "",
        "series": record.case.series if names else None,
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
    extent = segment.get("extent_ijk_mm") or (None, None, None)
    return {
        "segment": segment["id"],
        **{name: segment[name] for name in ("volume_ml", "mean_intensity", "sd_intensity", "slices")},
        **dict(zip(("extent_i_mm", "extent_j_mm", "extent_k_mm"), extent, strict=True)),
        "first_slice": filled[0] if filled else None,
        "last_slice": filled[-1] if filled else None,
        "area_jumps": sum(jump > DOUBTFUL for jump in area_jumps(areas)),
    }
