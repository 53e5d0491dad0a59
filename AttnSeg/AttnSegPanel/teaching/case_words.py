"""What the section "Teach" says of a case, and asks about it."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from AttnSegLib.collections.collection import CollectedCase, Collection
from AttnSegLib.errors import InputError
from AttnSegLib.mrml.teaching.scene_case import SceneCase


def ask_about_missing(found: SceneCase) -> None:
    """Raises `InputError` if the user says that a segment was forgotten."""
    if not found.missing or not any(piece.mask.any() for piece in found.masks.values()):
        return  # an empty segmentation is refused later, with a sentence
    names = ", ".join(f"'{name}'" for name in found.missing)
    question = _("Nothing is segmented as {names}. Does this scan truly have none of it?").format(names=names)
    if found.others:
        question += " " + _("(Other segments: {names}.)").format(names=", ".join(found.others))
    if not slicer.util.confirmYesNoDisplay(question, windowTitle=_("Add this case")):
        raise InputError(_("Nothing was added; segment {names} first.").format(names=names))


def assumptions_in_words(found: SceneCase) -> list[str]:
    """What was assumed, and what was left out, each in a sentence."""
    left_out = [
        str(_("'{name}' is no segment of the collection, and was left out.").format(name=name)) for name in found.others
    ]
    return [*found.notices, *left_out]


def case_in_words(case: CollectedCase, collection: Collection | None) -> list[str]:
    """A row of the table."""
    labelled = f"{case.labelled.first}-{case.labelled.last}" if case.labelled is not None else str(_("all"))
    segments = collection.segments if collection is not None else ()
    without = ", ".join(label.name for label in segments if label.id in case.absent)
    return [case.id, " x ".join(map(str, case.shape[::-1])), labelled, without]


def number_of_cases(count: int) -> str:
    """As "3 cases"."""
    return str(_("1 case") if count == 1 else _("{n} cases").format(n=count))
