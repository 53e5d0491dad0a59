"""Tells whether a file is DICOM. Does not use pydicom, which is slow to import."""

from __future__ import annotations

from pathlib import Path

PREAMBLE = 128  # bytes before "DICM"


def is_dicom(path: Path) -> bool:
    """Whether a path is a file that begins as DICOM files do, with or without their preamble."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        begin = file.read(PREAMBLE + 4)
    is_group, has_kind = begin[:2] in (b"\x02\0", b"\x08\0") and begin[3:4] == b"\0", begin[4:6].isalpha()
    return begin[PREAMBLE:] == b"DICM" or (is_group and (has_kind or begin[6:8] == b"\0\0"))
