"""Writes and reads CSV tables with a line for each object of a dataclass, whose fields are texts and numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from AttnSegLib.errors import InputError
from AttnSegLib.unfinished import whole_file

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")


def _number(text: str) -> float:
    return float(text or "nan")


_KINDS: dict[str, Callable[[str], Any]] = {"int": int, "float": _number, "str": str}


def write_rows(path: Path, kind: type[Row], rows: Iterable[Row], digits: int | None = None) -> None:
    """Write a table with the names of the fields as its header, whole or not at all. NaN becomes an empty cell.

    Args:
        path: of the file.
        kind: the dataclass.
        rows: its objects.
        digits: significant digits that are kept of floats; None for all.
    """

    def shown(value: Any) -> Any:
        if not isinstance(value, float):
            return value
        if math.isnan(value):
            return ""
        return value if digits is None else f"{value:.{digits}g}"

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([field.name for field in fields(kind)])
    writer.writerows([shown(value) for value in asdict(row).values()] for row in rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def read_rows(path: Path, kind: type[Row], made_by: str) -> list[Row]:
    """Read a table of `write_rows`. If an older table lacks a column, the field has its default.

    Args:
        path: of the file.
        kind: the dataclass.
        made_by: the command that writes such tables, for the message.

    Raises:
        InputError: if it is another table, or can't be read.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [_row_of(kind, row) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"'{path}' is not a table that {made_by} wrote; delete it.") from error


def _row_of(kind: type[Row], row: dict[str, str]) -> Row:
    known = [field for field in fields(kind) if field.name in row]
    return kind(**{field.name: _KINDS[str(field.type)](row[field.name]) for field in known})
