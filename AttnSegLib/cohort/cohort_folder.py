"""The folder of a cohort: what is done, what is not, and by which settings. Whatever is in it is whole at all times."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.errors import InputError
from AttnSegLib.locks import locked
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.results.results_folder import REPORT, writing
from AttnSegLib.typed_json import from_json, to_json
from AttnSegLib.unfinished import whole_file

TABLE, PARQUET, PAGE, SETTINGS = "cohort.csv", "cohort.parquet", "cohort.html", "cohort.json"
Decision = Literal["", "accepted", "corrected"]  # of whoever looked at a case
_FORMAT = 1
_NEEDED = {"segments", "slices_to_check", "seconds", "notices"}  # in a report


@dataclass(frozen=True)
class CohortSettings:
    """What decides the results, besides the models; the same for all cases. As in `SegmentRequest`."""

    attention: tuple[str, ...] = ("default",)
    level: int | None = None
    flips: bool = False
    plane: str | None = None
    file_format: str = "seg.nrrd"
    names: bool = True
    probabilities: bool = False


@dataclass(frozen=True)
class _Written:
    """The file of settings. models: id to SHA-256 of the weights."""

    format: int
    settings: CohortSettings
    models: dict[str, str]


@dataclass(frozen=True)
class Unfinished:
    """What is known of a case that was begun and is not done. failures: model to sentence; "" stands for all models."""

    case: str
    failures: dict[str, str] = field(default_factory=dict)


class CohortFolder:
    """`cases/CASE/MODEL/` has results; `unfinished/` what is known of cases that were begun; `decisions/CASE/MODEL`
    what somebody decided of them."""

    def __init__(self, path: Path):
        self.path = path

    def results(self, case: CohortCase, model: str) -> Path:
        """Where the results of a case by a model are, or will be."""
        return self.path / "cases" / case.name / model

    def others(self, cases: Iterable[CohortCase]) -> int:
        """How many cases have results here and are not among these."""
        there = {path.name for path in (self.path / "cases").glob("[!.]*")}
        return len(there - {case.name for case in cases})

    def report(self, case: CohortCase, model: str) -> dict[str, Any] | None:
        """Of results that are there."""
        try:
            report = json.loads((self.results(case, model) / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return report if isinstance(report, dict) and report.keys() >= _NEEDED else None

    def missing(self, case: CohortCase, models: Sequence[str]) -> list[str]:
        """The models by which a case is not done."""
        return [model for model in models if self.report(case, model) is None]

    def unfinished(self, case: CohortCase) -> Unfinished | None:
        """None for a case that was never begun, or is done."""
        try:
            return from_json(Unfinished, json.loads(self._mark(case).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def begin(self, case: CohortCase, failures: Mapping[str, str] | None = None) -> None:
        """Keep that a case was begun, or how it failed."""
        write_text_file(self._mark(case), json.dumps(to_json(Unfinished(case.name, dict(failures or {})))))

    def finish(self, case: CohortCase) -> None:
        """A case is done."""
        self._mark(case).unlink(missing_ok=True)

    def decide(self, case: str, model: str, decision: Decision) -> None:
        """Keep what somebody decided of a case. Raises `OSError`."""
        write_text_file(self.path / "decisions" / case / model, decision)

    def decision(self, case: str, model: str) -> Decision:
        """What was decided last."""
        try:
            text = (self.path / "decisions" / case / model).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""
        return "accepted" if text == "accepted" else "corrected" if text == "corrected" else ""

    def _mark(self, case: CohortCase) -> Path:
        return self.path / "unfinished" / f"{case.name}.json"

    @contextlib.contextmanager
    def at_work(self, log: str) -> Iterator[None]:
        """For the one process that works on these cases. log: name of its log. Raises `InputError` if there is
        another, or if the folder can't be written to."""
        with contextlib.ExitStack() as stack:
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                is_ours = stack.enter_context(locked(self.path / f".{log}.lock", wait=False))
            if not is_ours:
                raise InputError(f"Another run is at work in '{self.path}'; wait for it, or choose another folder.")
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """For what the processes of a cohort do one after the other."""
        with locked(self.path / ".lock", wait=True):
            yield

    def agree(self, settings: CohortSettings, specs: Sequence[ModelSpec]) -> None:
        """Keep the settings, or compare them with those that are kept; further models are welcome.

        Raises `InputError` if results by other settings, or by other weights, are there.
        """
        with self.alone():
            models = {spec.id: spec.sha256 for spec in specs}
            earlier = self._settings()
            if earlier is not None:
                self._compare(earlier, settings, models)
                models = earlier.models | models
            write_text_file(
                self.path / SETTINGS, json.dumps(to_json(_Written(_FORMAT, settings, models)), indent=2) + "\n"
            )

    def _settings(self) -> _Written | None:
        path = self.path / SETTINGS
        try:
            return from_json(_Written, json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise InputError(f"'{path}' is damaged ({error}); choose another folder.") from error

    def _compare(self, earlier: _Written, settings: CohortSettings, models: Mapping[str, str]) -> None:
        about = "choose another folder, or give the command of before"
        if earlier.settings != settings:
            differs = [name for name in to_json(settings) if getattr(earlier.settings, name) != getattr(settings, name)]
            raise InputError(f"'{self.path}' holds results by other settings ({', '.join(differs)}); {about}.")
        for model, sha256 in models.items():
            if earlier.models.get(model, sha256) != sha256:
                raise InputError(f"'{self.path}' holds results by other weights of '{model}'; {about}.")


def write_text_file(path: Path, text: str) -> None:
    """Write a file that is there whole or as it was before, at any moment. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
