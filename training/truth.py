"""What models are scored against: the cases of a data set, with the labels of the models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from AttnSegLib.catalog import Label, ModelSpec
from AttnSegLib.errors import InputError
from training import datasets
from training.candidates import plain_label
from training.case import Case, Labelled
from training.recipe import Source
from training.slice_cache import relabelled


@dataclass(frozen=True)
class Truth:
    """What is scored against. cases: of the data set; source: how its labels become the models'; labels: to score."""

    cases: Sequence[Case]
    source: Source
    labels: Sequence[Label]

    def read(self, case: Case) -> Labelled:
        """A case with the models' labels."""
        volume, label_map = case.read()
        return Labelled(volume, relabelled(label_map, self.source.labels))

    def trained_on(self, spec: ModelSpec | None) -> list[str]:
        """The cases among these that a model was trained on."""
        trained = spec.training.get("training_cases", []) if spec and _is_of(spec, self.source.name) else []
        return sorted({case.id for case in self.cases} & set(trained))


@dataclass(frozen=True)
class Wanted:
    """What the user asks for instead of what the model's card says: the data set, its options, the cases."""

    dataset: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    cases: tuple[str, ...] = ()


def truth_of(spec: ModelSpec | None, root: Path, wanted: Wanted = Wanted()) -> Truth:  # frozen
    """The test cases of a model, or what is wanted instead; without a model, all cases of a data set.

    Raises `InputError` if the data set is not known, can't be read, or lacks a case.
    """
    training = spec.training if spec else {}
    known: dict[str, Any] = training.get("dataset", {})
    name = wanted.dataset or known.get("name")
    if name is None:
        raise InputError("Give the data set's name by --dataset; only models that were trained here know theirs.")
    if spec is None or not _is_of(spec, name):
        training = known = {}  # says nothing of the cases of another data set
    labels = known.get("labels")
    source = Source(name, {**known.get("options", {}), **wanted.options}, tuple(map(tuple, labels)) if labels else None)
    cases = datasets.cases(name, root, **source.options)
    ids = wanted.cases or training.get("test_cases") or [case.id for case in cases]
    chosen = [case for case in cases if case.id in ids]
    if missing := sorted(set(ids) - {case.id for case in chosen}):
        raise InputError(f"The data set has no case '{missing[0]}'; it has {len(cases)}, such as '{cases[0].id}'.")
    meanings: dict[int, str] = datasets.reader(name).LABELS or {1: "label 1"}
    return Truth(chosen, source, spec.labels if spec else [plain_label(*meaning) for meaning in meanings.items()])


def assignment(text: str) -> tuple[str, str | int]:
    """Name and value of an option NAME=VALUE of a data set; whole numbers are numbers."""
    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"'{text}' is not an option of a data set; write NAME=VALUE.")
    return name, int(value) if value.isdigit() else value


def _is_of(spec: ModelSpec, dataset: str) -> bool:
    return bool(spec.training.get("dataset", {}).get("name") == dataset)
