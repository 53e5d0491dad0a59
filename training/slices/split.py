"""Who trains, who validates, who is tested: by patient, never by slice."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations
from typing import NamedTuple

from AttnSegLib.errors import InputError
from training.slices.case import Case


class Parts(NamedTuple):
    """Cases to train on, to choose by while training (may be none), and to report (may be none)."""

    training: list[Case]
    validation: list[Case]
    test: list[Case]


@dataclass(frozen=True)
class Split:
    """Either names or shares.

    validation, test: ids of cases, or patterns such as "val_*"; all other cases train.
    shares: of patients for training, validation and test, such as (13, 2, 5) or (0.7, 0.1, 0.2): patients are shuffled
    by `seed` and dealt in this proportion, which is exact if the numbers add up to that of the patients. fold: 0, 1 and
    so on take the next patients for the test, and none is in the test of two folds before all have been. folds: over
    how many the paper takes the mean.
    """

    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    shares: tuple[float, float, float] | None = None
    fold: int = 0
    folds: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.shares is not None and (self.validation or self.test):
            raise InputError("A split is given either by names or by shares, not by both.")
        if self.shares is not None and (len(self.shares) != 3 or min(self.shares) < 0 or self.shares[0] == 0):
            raise InputError("Shares of a split are three numbers, for training, validation and test; the first not 0.")

    def deal(self, cases: Sequence[Case]) -> Parts:
        """The three parts of a data set.

        Raises `InputError` for a name that no case has, for a patient in two parts, and if nobody is left to train on.
        """
        parts = self._by_name(cases) if self.shares is None else self._by_shares(cases, self.shares)
        if not parts.training:
            raise InputError(f"The split leaves none of the {len(cases)} cases for training; change it in the recipe.")
        for one, other in combinations(parts, 2):
            if shared := {case.patient for case in one} & {case.patient for case in other}:
                raise InputError(
                    f"Patient '{sorted(shared)[0]}' is in two parts of the split; keep a patient's cases together."
                )
        return parts

    def _by_name(self, cases: Sequence[Case]) -> Parts:
        validation, test = (_matching(cases, names) for names in (self.validation, self.test))
        return Parts([case for case in cases if case not in validation and case not in test], validation, test)

    def _by_shares(self, cases: Sequence[Case], shares: tuple[float, float, float]) -> Parts:
        patients = sorted({case.patient for case in cases})
        random.Random(self.seed).shuffle(patients)
        _, validation, test = _whole_numbers(shares, len(patients))
        first = self.fold * test % len(patients)
        patients = patients[first:] + patients[:first]
        tested, validated = set(patients[:test]), set(patients[test : test + validation])
        return Parts(
            [case for case in cases if case.patient not in tested | validated],
            [case for case in cases if case.patient in validated],
            [case for case in cases if case.patient in tested],
        )


def refuse_shared_images(parts: Parts, digests: Mapping[str, str]) -> None:
    """Raise `InputError` if two parts hold the same image under different ids. digests: case id to digest of voxels."""
    seen: dict[str, tuple[int, str]] = {}
    for number, part in enumerate(parts):
        for case in part:
            other_part, other = seen.setdefault(digests[case.id], (number, case.id))
            if other_part != number:
                raise InputError(
                    f"Cases '{other}' and '{case.id}' are the same image and lie in different parts of the split; name "
                    "them in the split so that they lie together, or remove one."
                )


def _matching(cases: Sequence[Case], names: Sequence[str]) -> list[Case]:
    for name in names:
        if not any(fnmatchcase(case.id, name) for case in cases):
            ids = [case.id for case in cases]
            listed = ", ".join(ids[:20]) + (", ..." if len(ids) > 20 else "")
            raise InputError(f"The data set has no case '{name}'; it has: {listed}.")
    return [case for case in cases if any(fnmatchcase(case.id, name) for name in names)]


def _whole_numbers(shares: tuple[float, float, float], total: int) -> list[int]:
    """Whole numbers in proportion to the shares, adding up to the total: the largest remainders are rounded up."""
    exact = [share * total / sum(shares) for share in shares]
    numbers = [int(value) for value in exact]
    by_remainder = sorted(range(3), key=lambda n: numbers[n] - exact[n])
    for n in by_remainder[: total - sum(numbers)]:
        numbers[n] += 1
    return numbers
