"""Finds out which segment of a scene is which segment of a collection."""

from __future__ import annotations

from collections.abc import Sequence

from AttnSegLib.models.card import Code, Label

STRUCTURE = Code("SCT", "123037004", "Anatomical Structure")
UNSAID = Code("SCT", "85756007", "Tissue")  # the code that Slicer gives to a segment until somebody says what it is


def matched(segments: Sequence[Label], found: Sequence[Label]) -> dict[str, str]:
    """The names of a collection's segments, each with the name of the scene's segment that is the same.

    Segments are the same if their names are, in upper or lower case; or else if their codes are, and no other segment
    on either side has these codes. For a segment that is missing in the result, the user must be asked.

    Args:
        segments: of the collection.
        found: in the scene.
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
