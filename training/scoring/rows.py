"""Tables of what was measured: a CSV file with a line for each object of a dataclass of texts and numbers."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from AttnSegLib.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")


def _number(text: str) -> float:
    return float(text or "nan")


_KINDS: dict[str, Callable[[str], Any]] = {"int": int, "float": _number, "str": str}


def write_rows(path: Path, kind: type[Row], rows: Iterable[Row], digits: int | None = None) -> None:
    """Write a header with the names of the fields, and a line for each row. digits: significant ones that are kept of
    numbers with a fraction, None for all. What is undefined (NaN) stays empty."""

    def shown(value: Any) -> Any:
        if not isinstance(value, float):
            return value
        if math.isnan(value):
            return ""
        return value if digits is None else f"{value:.{digits}g}"

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(kind)])
        writer.writerows([shown(value) for value in asdict(row).values()] for row in rows)


def read_rows(path: Path, kind: type[Row], made_by: str) -> list[Row]:
    """Read what `write_rows` wrote; a column that is missing in an older table has its field's default. made_by: the
    command that writes it. Raises `InputError` for another table."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [_row_of(kind, row) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"'{path}' is not a table that {made_by} wrote; delete it.") from error


def _row_of(kind: type[Row], row: dict[str, str]) -> Row:
    known = [field for field in fields(kind) if field.name in row]
    return kind(**{field.name: _KINDS[str(field.type)](row[field.name]) for field in known})
