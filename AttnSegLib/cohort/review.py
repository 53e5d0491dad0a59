"""Looking through a cohort: its cases by doubt, and what was decided of each, which goes into the table. No torch."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from AttnSegLib.cohort.cohort_folder import TABLE, CohortFolder, Decision, write_text_file
from AttnSegLib.cohort.table import table_text
from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.results.results_folder import REPORT, writing

CORRECTED = "corrected.seg.nrrd"  # beside the results
_READABLE = (".seg.nrrd", ".nii.gz")


@dataclass(frozen=True)
class ReviewedCase:
    """A case as one model has it.

    Args:
        name, model: as in the table.
        image: the scan; empty if the table does not tell names.
        series: number of its DICOM series; empty if none was chosen.
        results: folder of its results.
        trust: mean Dice that the network expects; None if nothing was found.
        decision: what was decided; empty if nothing was.
    """

    name: str
    model: str
    image: str
    series: str
    results: Path
    trust: float | None
    decision: Decision

    def segmentation(self) -> Path:
        """The correction, or what the model found. Raises `InputError` if it is in no format of label maps."""
        files: list[Path] = [self.results / name for name in (CORRECTED, *self.report().get("segmentation", []))]
        found = [path for path in files if path.name.endswith(_READABLE) and path.is_file()]
        if not found:
            raise InputError(f"Case '{self.name}' has no label map to show; segment with --format seg.nrrd or nifti.")
        return found[0]

    def report(self) -> dict[str, Any]:
        """Of its results. Raises `InputError` if it can't be read."""
        try:
            report: dict[str, Any] = json.loads((self.results / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"The report of case '{self.name}' can't be read; segment it again.") from error
        return report


class CohortReview:
    """The cases of a cohort that are done, the most doubtful first."""

    def __init__(self, path: Path):
        """path: folder that `attnseg cohort` wrote. Raises `InputError` if it is none, or if no case is done."""
        self.folder = CohortFolder(path)
        rows = {(row["case"], row["model"]): row for row in self._rows() if row["status"] == "done"}
        if not rows:
            raise InputError(f"No case of '{path}' is done; run 'attnseg cohort' first.")
        cases = [self._case(row) for row in rows.values()]
        self.cases = sorted(cases, key=lambda case: (case.trust is not None, case.trust or 0.0, case.name))

    def decide(self, number: int, decision: Decision) -> None:
        """Keep what was decided of a case, and write it into the table. Raises `InputError` if it can't be written."""
        case = self.cases[number]
        with writing(self.folder.path), self.folder.alone():
            self.folder.decide(case.name, case.model, decision)
            rows = self._rows()
            for row in rows:
                if (row["case"], row["model"]) == (case.name, case.model):
                    row["decision"] = decision
            write_text_file(self.folder.path / TABLE, table_text(rows))
        self.cases[number] = replace(case, decision=decision)

    def _rows(self) -> list[dict[str, str]]:
        path = self.folder.path / TABLE
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, ValueError) as error:
            why = cause_of(error) if isinstance(error, OSError) else "it is not in UTF-8"
            raise InputError(f"'{path}' can't be read ({why}); choose a folder that 'attnseg cohort' wrote.") from error
        if rows and not {"case", "model", "status", "results", "image", "trust"} <= rows[0].keys():
            raise InputError(f"'{path}' is not the table of a cohort; choose a folder that 'attnseg cohort' wrote.")
        return rows

    def _case(self, row: dict[str, str]) -> ReviewedCase:
        trust = float(row["trust"]) if row["trust"] else None
        decision = self.folder.decision(row["case"], row["model"])
        results, series = self.folder.path / row["results"], row.get("series") or ""  # which older tables lack
        return ReviewedCase(row["case"], row["model"], row["image"], series, results, trust, decision)
