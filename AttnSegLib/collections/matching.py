"""Which segment of a scene is which of a collection."""

from __future__ import annotations

from collections.abc import Sequence

from AttnSegLib.models.card import Code, Label

STRUCTURE = Code("SCT", "123037004", "Anatomical Structure")
UNSAID = Code("SCT", "85756007", "Tissue")  # what Slicer calls a segment of which nobody said what it is


def matched(segments: Sequence[Label], found: Sequence[Label]) -> dict[str, str]:
    """For names of the collection's segments: the name of the segment of the scene that it is.

    By name, whatever its case; else by its codes, where just one segment on either side has them. A segment that is not
    in the answer was not found: ask about it.
    """
    by_name = {label.name.casefold(): label.name for label in found}
    answer = {one.name: by_name[one.name.casefold()] for one in segments if one.name.casefold() in by_name}
    others = [label for label in found if label.name not in answer.values()]
    open_ones = [one for one in segments if one.name not in answer]
    for one in open_ones:
        same = [label for label in others if _codes(label) == _codes(one)]
        rivals = [rival for rival in open_ones if _codes(rival) == _codes(one)]
        if len(same) == len(rivals) == 1 and one.type.value != UNSAID.value:
            answer[one.name] = same[0].name
    return answer


def _codes(label: Label) -> tuple[tuple[str, str], ...]:
    codes: tuple[Code | None, ...] = (label.type, label.modifier)
    return tuple((code.scheme, code.value) for code in codes if code is not None)
