"""Lists of cases: CSV or TSV, with a column `image`, and if wanted `case` and `series`."""

from __future__ import annotations

import csv
from pathlib import Path

from AttnSegLib.cohort.naming import case_name
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.errors import InputError, cause_of


def is_case_list(path: Path) -> bool:
    """Whether the name of a file is that of a list."""
    return path.suffix.lower() in (".csv", ".tsv") and not path.is_dir()


def cases_of_list(path: Path) -> list[CohortCase]:
    """The cases of a list. Paths in it begin at its own folder, unless they are whole.

    Raises `InputError` for a file that is no such list. An image that is missing is a case that fails.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"The list '{path}' can't be read ({cause_of(error)}); check the path.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"The list '{path.name}' is not in UTF-8; save it as 'CSV UTF-8'.") from error
    lines = text.splitlines()
    try:
        rows = list(csv.reader(lines, delimiter=_delimiter(path, lines[0] if lines else ""), strict=True))
    except csv.Error as error:
        raise InputError(f"The list '{path.name}' is no table ({error}); save it again as CSV.") from error
    columns = [name.strip().lower() for name in rows[0]] if rows else []
    if "image" not in columns:
        raise InputError(
            f"The list '{path.name}' has no column 'image'; its first line must name the columns: image, and if wanted "
            "case and series."
        )
    numbered = [(number, dict(zip(columns, row, strict=False))) for number, row in enumerate(rows[1:], start=2)]
    return [_case(path, number, cells) for number, cells in numbered if any(cell.strip() for cell in cells.values())]


def _delimiter(path: Path, header: str) -> str:
    """Spreadsheets separate by semicolons where commas are in numbers."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    return ";" if header.count(";") > header.count(",") else ","


def _case(path: Path, number: int, cells: dict[str, str]) -> CohortCase:
    cells = {name: cell.strip() for name, cell in cells.items()}
    if not cells["image"]:
        raise InputError(f"Line {number} of the list '{path.name}' names no image; fill it in, or take the line out.")
    image = path.absolute().parent / cells["image"]
    return CohortCase(case_name(cells.get("case") or image.name), image, cells.get("series") or None)
