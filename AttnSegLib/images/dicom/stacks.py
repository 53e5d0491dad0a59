"""Sorts slices into stacks that can be a volume each: by series, by the volumes of a series, and without copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.dicom import spacing
from AttnSegLib.images.dicom.frames import Frame, Rejected
from AttnSegLib.images.dicom.pixels import same

_LISTED = 8  # most stacks that one sentence names
_MOST_DETAILS = 3  # most details that may be needed to tell the volumes of one series apart


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices of one series and one orientation. name: by which the user chooses it; told: what is special about it."""

    frames: list[Frame]
    name: str = ""
    told: str = ""

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def in_words(self) -> str:
        """The stack in words, for a list from which the user chooses."""
        number = f"number {self.name}" if self.name else "without a number"
        return f"{number} ({len(self)} slice{'s' * (len(self) > 1)}{', ' * bool(self.told)}{self.told})"


def stacks_of(frames: list[Frame]) -> tuple[list[Stack], list[str]]:
    """All stacks of some slices, the largest first, and a notice if copies were left out."""
    unique = [_without_copies(group) for group in _merged(_grouped(frames, lambda frame: frame.series))]
    stacks = _without_copied_stacks(sorted((stack for group in unique for stack in _volumes(group)), key=_rank))
    copies = len(frames) - sum(map(len, stacks))
    return _named(stacks), [f"{copies} file(s) that repeat a slice were left out."] if copies else []


def choose(stacks: list[Stack], place: str, number: str | None) -> tuple[Stack, list[str]]:
    """Choose the one stack that has several slices, and give notices about what else is there.

    Args:
        stacks: to choose from.
        place: the folder or file, as the messages name it.
        number: the stack that the user asks for; None if any will do.

    Raises:
        InputError: if there is no such stack or more than one, or if single slices of its series lie in another
            direction.
    """
    if number is not None:
        asked_for = [stack for stack in stacks if str(number) in (stack.name, stack.frames[0].number)]
        if not asked_for:
            raise InputError(f"{place} has no series with number {number}; choose one of: {_listing(stacks)}.")
        stacks = [stack for stack in asked_for if stack.name == str(number)] or asked_for
    several = [stack for stack in stacks if len(stack) > 1]
    if not several:
        raise InputError(f"{place} holds single slices only: {_listing(stacks)}; give a folder with a whole series.")
    if len(several) > 1:
        what = "series" if len({stack.frames[0].number for stack in several}) > 1 else "volumes of one series number"
        raise InputError(
            f"{place} mixes {len(several)} {what}: {_listing(stacks)}; choose one by its number (--series)."
        )
    whole, singles = several[0], [stack.frames[0] for stack in stacks if stack is not several[0]]
    _check_turned(whole, singles)
    left = f"{len(singles)} single slice(s) beside the series (localizers) were left out."
    return whole, [*_about_identifiers(whole), *([left] if singles else [])]


def _rank(stack: Stack) -> tuple[object, ...]:
    """A key for sorting: the largest stack first, then by number."""
    first = stack.frames[0]
    return -len(stack), len(first.number), first.number, first.series, stack.told


def _listing(stacks: list[Stack]) -> str:
    told = [stack.in_words for stack in stacks]
    rest = len(told) - _LISTED
    return ", ".join(told if rest <= 1 else [*told[:_LISTED], f"and {rest} more"])


def _grouped(frames: Iterable[Frame], key: Callable[[Frame], Hashable]) -> list[list[Frame]]:
    """Groups of slices with the same key, stack id and orientation; localizers are kept apart."""
    groups: dict[Hashable, list[list[Frame]]] = defaultdict(list)
    for frame in frames:
        alike = groups[key(frame), frame.stack_id, frame.is_localizer]
        for group in alike:
            if np.allclose(group[0].axes, frame.axes, atol=1e-3):
                group.append(frame)
                break
        else:
            alike.append([frame])
    return [group for alike in groups.values() for group in alike]


def _merged(groups: list[list[Frame]]) -> list[list[Frame]]:
    """Join single slices to series: some scanners give each slice its own series identifier.

    Three or more are joined if they look alike and have the same series number, or make a volume."""
    single = [group[0] for group in groups if len(group) == 1]
    merged = [group for group in groups if len(group) > 1]
    for group in _grouped(single, lambda f: (f.number, f.space, f.modality, f.size, tuple(f.spacing))):
        is_one = len(group) > 2 and (group[0].number or spacing.line_up(group))
        merged += [group] if is_one else [[frame] for frame in group]
    return merged


def _about_identifiers(chosen: Stack) -> list[str]:
    if len({frame.series for frame in chosen.frames}) == 1:
        return []
    number = f" with number {chosen.frames[0].number}" if chosen.frames[0].number else ""
    told = f"Each slice has a series identifier of its own; the {len(chosen)} slices{number} were taken as one series."
    return [told]


def _places(frames: list[Frame]) -> list[list[Frame]]:
    """Groups of slices that lie at one position, in the order of the positions."""
    frames = sorted(frames, key=lambda frame: frame.distance)
    places: list[list[Frame]] = []
    for frame in frames:
        if places and np.allclose(places[-1][0].position, frame.position, rtol=0, atol=spacing.ONE_PLACE):
            places[-1].append(frame)
        else:
            places.append([frame])
    return places


def _without_copies(frames: list[Frame]) -> list[Frame]:
    """Slices without copies. A copy has the same place, details and intensities; its identifiers may be new."""
    unique: list[Frame] = []
    for place in _places(frames):
        kept: list[Frame] = []
        for frame in place:
            if not any(frame.details == other.details and same(frame, other) for other in kept):
                kept.append(frame)
        unique += kept
    return unique


def _volumes(frames: list[Frame]) -> list[Stack]:
    """The volumes of one series: split by as few details as give volumes that each have one slice at every position.
    If no details do, all slices stay together."""
    places = _places(frames)
    doubled = [place for place in places if len(place) > 1]
    if not doubled:
        return [Stack(frames)]
    varying = [d for d in frames[0].details if any(len({f.details[d] for f in place}) > 1 for place in doubled)]
    for count in range(1, _MOST_DETAILS + 1):
        for details in combinations(varying, count):
            groups: dict[tuple[str, ...], list[Frame]] = defaultdict(list)
            for frame in frames:
                groups[tuple(frame.details[detail] for detail in details)].append(frame)
            if all(len(group) == len(places) == len(_places(group)) for group in groups.values()):
                return [Stack(group, told=_in_words(details, values)) for values, group in sorted(groups.items())]
    return [Stack(frames)]


def _in_words(details: tuple[str, ...], values: tuple[str, ...]) -> str:
    return ", ".join(f"{detail} {value or 'not told'}" for detail, value in zip(details, values, strict=True))


def _without_copied_stacks(stacks: list[Stack]) -> list[Stack]:
    """Stacks without copies: a series may have been sent twice, the second time with new identifiers."""
    unique: list[Stack] = []
    for stack in stacks:
        if not any(_is_copy(stack, other) for other in unique if len(other) == len(stack) > 1):
            unique.append(stack)
    return unique


def _is_copy(one: Stack, other: Stack) -> bool:
    pairs = list(zip(*(sorted(s.frames, key=lambda frame: frame.distance) for s in (one, other)), strict=True))
    lie_alike = all(
        a.size == b.size
        and np.allclose(a.position, b.position, rtol=0, atol=spacing.ONE_PLACE)
        and np.allclose(a.axes, b.axes, atol=1e-3)
        and np.allclose(a.spacing, b.spacing, rtol=1e-3)
        for a, b in pairs
    )
    return lie_alike and all(a.details == b.details and same(a, b) for a, b in pairs)


def _named(stacks: list[Stack]) -> list[Stack]:
    """The stacks with names: the series number, or "3.2" for the second volume of number 3."""
    together: dict[str, list[Stack]] = defaultdict(list)
    for stack in stacks:
        together[stack.frames[0].number].append(stack)
    named = []
    for stack in stacks:
        number = stack.frames[0].number
        several = [other for other in together[number] if len(other) > 1]
        is_one = len(several) < 2 or stack not in several
        name = number if is_one else f"{number or 0}.{several.index(stack) + 1}"
        named.append(Stack(stack.frames, name, stack.told))
    return named


def _check_turned(chosen: Stack, singles: list[Frame]) -> None:
    """Raises `InputError` if single slices of the same series lie in another direction. Slices that are marked as
    localizers are allowed."""
    turned = [frame for frame in singles if is_of(chosen, frame) and not frame.is_localizer]
    if turned:
        raise spacing.odd(turned, len(chosen), "turned in another direction")


def is_of(chosen: Stack, one: Frame | Rejected) -> bool:
    """Whether a slice belongs to the same series as a stack. It need not be a part of the stack."""
    series = {frame.series for frame in chosen.frames}
    return one.series in series or (len(series) > 1 and one.number == chosen.frames[0].number)
