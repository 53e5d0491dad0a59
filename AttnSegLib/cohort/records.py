"""What is known of each case and model: a report, a sentence on why there is none, or that it is still to be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from AttnSegLib.cohort.cohort_folder import CohortFolder, Decision
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.models.card import ModelSpec

Status = Literal["done", "failed", "waiting"]


@dataclass(frozen=True)
class CaseRecord:
    """One case by one model. report: None unless it is done; sentence: why it failed, else empty; decision: of whoever
    looked at it."""

    case: CohortCase
    spec: ModelSpec
    report: dict[str, Any] | None = None
    sentence: str = ""
    decision: Decision = ""

    @property
    def status(self) -> Status:
        """In a word."""
        if self.report is not None:
            return "done"
        return "failed" if self.sentence else "waiting"


def records_of(folder: CohortFolder, cases: Sequence[CohortCase], specs: Sequence[ModelSpec]) -> Iterator[CaseRecord]:
    """Of all cases and models, in this order; read from the folder, whoever wrote there."""
    for case in cases:
        unfinished = folder.unfinished(case)
        failures = unfinished.failures if unfinished is not None else {}
        for spec in specs:
            report = folder.report(case, spec.id)
            sentence = failures.get(spec.id) or failures.get("") or ""
            decision = folder.decision(case.name, spec.id)
            yield CaseRecord(case, spec, report, "" if report is not None else sentence, decision)
