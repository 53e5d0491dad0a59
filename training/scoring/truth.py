"""The truth that models are scored against: cases of a data set, with the labels of the models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from AttnSegLib.errors import InputError
from AttnSegLib.models.card import Label, ModelSpec, Source, TrainingFacts
from training import datasets
from training.scoring.candidates import plain_label
from training.slices.cache import read_labelled
from training.slices.case import Case, Labelled


@dataclass(frozen=True)
class Truth:
    """What models are scored against. cases: of the data set; source: how its labels become those of the models;
    labels: those to score."""

    cases: Sequence[Case]
    source: Source
    labels: Sequence[Label]

    def read(self, case: Case) -> Labelled:
        """Read a case, with the labels of the models."""
        return read_labelled(case, self.source)

    def trained_on(self, spec: ModelSpec) -> list[str]:
        """The ids of cases here that a model was trained on, as far as names tell. Ids are compared if the data set has
        the same name as the model's; but two folders of one's own may both have a case "anna"."""
        known = spec.training.dataset
        if known is None or known.name != self.source.name:
            return []
        return sorted({case.id for case in self.cases} & set(spec.training.training_cases))

    def check(self, spec: ModelSpec) -> None:
        """Raises `InputError` if a model has other labels than these."""
        ids, own = [label.id for label in self.labels], [label.id for label in spec.labels]
        if ids != own:
            raise InputError(f"Model '{spec.id}' segments {', '.join(own)}, not {', '.join(ids)}; score it by itself.")


@dataclass(frozen=True)
class Wanted:
    """What the user asks for, instead of what the model's card says.

    Args:
        dataset: name of the data set.
        options: of the data set.
        labels: for each label of the model, its values in the data set, as in `Source`.
        cases: ids of the cases.
    """

    dataset: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    labels: tuple[tuple[int, ...], ...] | None = None
    cases: tuple[str, ...] = ()


def truth_of(spec: ModelSpec | None, root: Path, wanted: Wanted = Wanted()) -> Truth:  # safe: it is frozen
    """The test cases of a model, or what the user wants instead. Without a model, all cases of a data set.

    Args:
        spec: the model; None for none.
        root: folder of the data set.
        wanted: what the user asks for.

    Raises:
        InputError: if the data set is not known, can't be read or lacks a case; if the model was not trained on it and
            it has other labels; or if the model was trained on it and has no test cases.
    """
    facts = spec.training if spec else TrainingFacts()
    name = wanted.dataset or (facts.dataset.name if facts.dataset else None)
    if name is None:
        raise InputError("Give the data set's name by --dataset; only models that were trained here know theirs.")
    if spec is None or not _is_own(spec, root, wanted):
        facts = TrainingFacts()  # nothing is known about the cases of another data set
    meanings: dict[int, str] = datasets.reader(name).LABELS
    if spec is not None and facts.dataset is None and wanted.labels is None and meanings:
        _check_meanings(spec, meanings)  # without meanings, only the user knows
    known = facts.dataset or Source(name)
    source = Source(name, known.options | wanted.options, wanted.labels or known.labels or None)
    cases = datasets.cases_of(name, root, **source.options)
    ids = wanted.cases or facts.test_cases or [case.id for case in cases]
    if spec is not None and facts.training_cases and not (wanted.cases or facts.test_cases):
        raise InputError(f"Model '{spec.id}' has no test cases: it was trained on this data set; say which to score.")
    chosen = [case for case in cases if case.id in ids]
    if missing := sorted(set(ids) - {case.id for case in chosen}):
        raise InputError(f"The data set has no case '{missing[0]}'; it has {len(cases)}, such as '{cases[0].id}'.")
    plain = [plain_label(*meaning) for meaning in (meanings or {1: "label 1"}).items()]
    return Truth(chosen, source, spec.labels if spec else plain)


def assignment(text: str) -> tuple[str, str | int]:
    """The name and the value of a text "NAME=VALUE", an option of a data set. A whole number becomes an int. Raises
    `InputError` for another text."""
    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"'{text}' is not an option of a data set; write NAME=VALUE.")
    return name, int(value) if value.isdigit() else value


def sources(texts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """`Source.labels` from the command line: a text for each label, such as "1" and "2,3". Raises `InputError` for
    other texts."""
    try:
        return tuple(tuple(int(value) for value in text.split(",")) for text in texts)
    except ValueError as error:
        raise InputError("Labels are given as whole numbers, those of one label with commas: --labels 1 2,3") from error


def _check_meanings(spec: ModelSpec, meanings: dict[int, str]) -> None:
    """Raises `InputError` if a number stands for one organ in the model, and for another one in the data set."""
    for label in spec.labels:
        meaning = meanings.get(label.value, "nothing")
        if meaning.lower() not in label.name.lower() and label.name.lower() not in meaning.lower():
            raise InputError(
                f"Label {label.value} is '{label.name}' in the model and '{meaning}' in the data set; say by --labels "
                "which values of the data set each label of the model stands for."
            )


def _is_own(spec: ModelSpec, root: Path, wanted: Wanted) -> bool:
    """Whether a data set is the one that a model was trained on.

    It is, if the user names none. Else its name and options must be those on the card, and it must hold the model's
    test cases, or if there are none, its training cases. The name is not enough, since many data sets are a "folder".
    """
    known = spec.training.dataset
    if wanted.dataset is None:
        return True
    if known is None or wanted.dataset != known.name:
        return False
    settings = datasets.settings(known.name, known.options)
    if datasets.settings(known.name, known.options | wanted.options) != settings:
        return False
    cases = spec.training.test_cases or spec.training.training_cases
    return set(cases) <= {case.id for case in datasets.cases_of(known.name, root, **known.options)}
