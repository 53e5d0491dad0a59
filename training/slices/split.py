"""Deals the cases of a data set to training, validation and test. All cases of a patient stay together."""

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
    """The cases of each part: to train on, to choose by during training, and to report scores of. The last two may be
    empty."""

    training: list[Case]
    validation: list[Case]
    test: list[Case]


@dataclass(frozen=True)
class Split:
    """How cases are dealt: either by names (validation, test), or by shares.

    Args:
        validation, test: ids of cases, or patterns such as "val_*". All other cases are for training.
        shares: for training, validation and test, such as (13, 2, 5) or (0.7, 0.1, 0.2). Patients are shuffled by
            `seed` and dealt in this proportion; exactly so if the three numbers add up to the number of patients.
        fold: 0, 1, 2, ... Each fold tests the next patients. Nobody is tested again before everybody was.
        folds: the number of folds over which the paper takes the mean.
        seed: of the shuffling.

    Raises:
        InputError: for both names and shares, or for shares that make no sense.
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
        """Deal the cases of a data set.

        Raises `InputError` for a name that no case has, for a patient in two parts, or if no case is left for training.
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
    """Raises `InputError` if the same image is in two parts under different ids. digests: of voxels, by case id."""
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
    """Whole numbers in the proportion of the shares that add up to `total`. The largest remainders are rounded up."""
    exact = [share * total / sum(shares) for share in shares]
    numbers = [int(value) for value in exact]
    by_remainder = sorted(range(3), key=lambda n: numbers[n] - exact[n])
    for n in by_remainder[: total - sum(numbers)]:
        numbers[n] += 1
    return numbers
