"""What models are scored against: the cases of a data set, with the labels of the models."""

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
    """What is scored against. cases: of the data set; source: how its labels become the models'; labels: to score."""

    cases: Sequence[Case]
    source: Source
    labels: Sequence[Label]

    def read(self, case: Case) -> Labelled:
        """A case with the models' labels."""
        return read_labelled(case, self.source)

    def trained_on(self, spec: ModelSpec) -> list[str]:
        """The cases among these whose names are those of cases that a model was trained on, in a data set of the same
        kind. Two such data sets may both have an "anna"."""
        known = spec.training.dataset
        if known is None or known.name != self.source.name:
            return []
        return sorted({case.id for case in self.cases} & set(spec.training.training_cases))

    def check(self, spec: ModelSpec) -> None:
        """Raises `InputError` for a model with other labels."""
        ids, own = [label.id for label in self.labels], [label.id for label in spec.labels]
        if ids != own:
            raise InputError(f"Model '{spec.id}' segments {', '.join(own)}, not {', '.join(ids)}; score it by itself.")


@dataclass(frozen=True)
class Wanted:
    """What the user asks for instead of what the model's card says: the data set, its options, which of its values each
    label of the model stands for (as in `Source`), the cases."""

    dataset: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    labels: tuple[tuple[int, ...], ...] | None = None
    cases: tuple[str, ...] = ()


def truth_of(spec: ModelSpec | None, root: Path, wanted: Wanted = Wanted()) -> Truth:  # frozen
    """The test cases of a model, or what is wanted instead; without a model, all cases of a data set.

    Raises `InputError` if the data set is not known, can't be read, or lacks a case, if it is not the model's and has
    other labels, or if it is the model's and none of its cases was kept for the test.
    """
    facts = spec.training if spec else TrainingFacts()
    name = wanted.dataset or (facts.dataset.name if facts.dataset else None)
    if name is None:
        raise InputError("Give the data set's name by --dataset; only models that were trained here know theirs.")
    if spec is None or not _is_own(spec, root, wanted):
        facts = TrainingFacts()  # nothing is known of the cases of another data set
    meanings: dict[int, str] = datasets.reader(name).LABELS
    if spec is not None and facts.dataset is None and wanted.labels is None and meanings:
        _check_meanings(spec, meanings)  # without meanings only the user knows
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
    """Name and value of an option NAME=VALUE of a data set; whole numbers are numbers."""
    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"'{text}' is not an option of a data set; write NAME=VALUE.")
    return name, int(value) if value.isdigit() else value


def sources(texts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """`Source.labels` from the command line, a text for each label, such as "1" and "2,3"."""
    try:
        return tuple(tuple(int(value) for value in text.split(",")) for text in texts)
    except ValueError as error:
        raise InputError("Labels are given as whole numbers, those of one label with commas: --labels 1 2,3") from error


def _check_meanings(spec: ModelSpec, meanings: dict[int, str]) -> None:
    """A number may stand for one organ in the model and for another in a data set that it was not trained on."""
    for label in spec.labels:
        meaning = meanings.get(label.value, "nothing")
        if meaning.lower() not in label.name.lower() and label.name.lower() not in meaning.lower():
            raise InputError(
                f"Label {label.value} is '{label.name}' in the model and '{meaning}' in the data set; say by --labels "
                "which values of the data set each label of the model stands for."
            )


def _is_own(spec: ModelSpec, root: Path, wanted: Wanted) -> bool:
    """Whether a data set is that which a model was trained on. If the user names none, it is. One that is named must
    have the name and the options on the card, and hold the model's test cases, or, if it has none, those that it was
    trained on: many data sets are a "folder"."""
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
