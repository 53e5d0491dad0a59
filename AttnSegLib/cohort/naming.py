"""What cases are called: by their files, in letters that every system takes for the name of a folder."""

from __future__ import annotations

from collections.abc import Sequence

from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.errors import InputError
from AttnSegLib.images.picture import IMAGE_IOS
from AttnSegLib.images.volume import SUFFIXES

_LONGEST = 120  # letters: a folder's name has at most 255 bytes


def case_name(text: str) -> str:
    """The name of the case in a file or folder that is called so."""
    stem = next(
        (text[: -len(suffix)] for suffix in (*SUFFIXES, *IMAGE_IOS, ".dcm") if text.lower().endswith(suffix)), text
    )
    plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in stem).strip(".")
    return plain[-_LONGEST:].strip(".") or "case"


def check_different(cases: Sequence[CohortCase]) -> None:
    """Raises `InputError` if two cases have one name; some systems know no capital letters."""
    known: dict[str, CohortCase] = {}
    for case in cases:
        other = known.setdefault(case.name.casefold(), case)
        if other is not case:
            raise InputError(
                f"'{other.image}' and '{case.image}' would both be case '{case.name}'; give a list (.csv) with the "
                "columns 'case' and 'image', with a name of its own for each."
            )
