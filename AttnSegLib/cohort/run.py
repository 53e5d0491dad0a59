"""All cases of a cohort: from the sources to a folder of results, a table and a page."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from AttnSegLib.cohort.cases import Search, find_cases
from AttnSegLib.cohort.cohort_folder import PAGE, PARQUET, TABLE, CohortFolder, CohortSettings, write_text_file
from AttnSegLib.cohort.on_ray import ClusterWork, import_ray, run_on_ray
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.cohort.page.page import page_text
from AttnSegLib.cohort.pipeline import CaseOutcome, Pipeline, short_turns
from AttnSegLib.cohort.records import records_of
from AttnSegLib.cohort.steps import WarmModel
from AttnSegLib.cohort.table import can_write_parquet, table_rows, table_text, write_parquet
from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.catalog import find_model
from AttnSegLib.results.results_folder import writing
from AttnSegLib.results.run_files import check_format
from AttnSegLib.unfinished import whole_file

_OFTEN = 60.0  # seconds between two tables while cases are worked on


@dataclass(frozen=True)
class CohortPart:
    """Every so-manieth case, for several processes or machines: number 1 to `of`."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> CohortPart:
        """From "3/10". Raises `InputError`."""
        number, _, of = text.partition("/")
        if number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of):
            return cls(int(number), int(of))
        raise InputError(f"'{text}' is no part; give the part and how many there are, such as 3/10.")

    @property
    def log(self) -> str:
        """Name of its log."""
        return "cohort.log" if self.of == 1 else f"cohort-{self.number}-of-{self.of}.log"


@dataclass(frozen=True)
class CohortRequest:
    """What to segment, by which models, and where to. match: pattern of paths, see `Search`; ray: address of a cluster,
    see `run_on_ray`; None for this process."""

    sources: tuple[Path, ...]
    models: tuple[str, ...]
    out: Path
    match: str | None = None
    part: CohortPart = field(default_factory=CohortPart)
    ray: str | None = None
    compute: Compute = field(default_factory=Compute)
    settings: CohortSettings = field(default_factory=CohortSettings)


@dataclass(frozen=True)
class CohortCount:
    """Of the cases of a part: how many were done before, are done now, and failed."""

    before: int
    done: int
    failed: int


def run_cohort(request: CohortRequest, tell: Callable[[str], None]) -> CohortCount:
    """Do what is not done yet. tell: gets a line for each case, with the time that is left.

    Raises `InputError` for what concerns all cases, such as a folder that can't be written to; whatever was done is
    kept, and the same call goes on from there.
    """
    check_format(request.settings.file_format)
    if request.ray is not None:
        import_ray()
    specs = _specs(request)
    for spec in specs:
        _check(request, spec)
    folder = CohortFolder(request.out)
    pictures = all(spec.training.pictures for spec in specs)
    cases = find_cases(request.sources, Search(request.match, request.out, pictures, tell))
    ours = cases[request.part.number - 1 :: request.part.of]
    with folder.at_work(request.part.log):
        folder.agree(request.settings, specs)
        todo = _in_order(folder, ours, [spec.id for spec in specs])
        tell(f"{len(ours)} case{'s' * (len(ours) != 1)}, {len(ours) - len(todo)} done already.")
        if others := folder.others(cases):
            tell(f"Results of {others} other case(s) are here; they stay, and table and page are without them.")
        overview = _Overview(folder, cases, specs, names=request.settings.names)
        progress = _Progress(folder.path / request.part.log, overview, tell, len(todo))
        try:
            if todo:
                _work_on(todo, request, specs, progress)
        except (InputError, KeyboardInterrupt):
            with contextlib.suppress(OSError):  # what stopped it may be the disk
                overview.write()
            raise
        with writing(folder.path):
            overview.write()
    return CohortCount(len(ours) - len(todo), progress.done - progress.failed, progress.failed)


def _work_on(
    cases: Sequence[CohortCase],
    request: CohortRequest,
    specs: Sequence[ModelSpec],
    progress: _Progress,
) -> None:
    if request.ray is not None:
        work = ClusterWork(request.out, tuple(specs), request.settings, request.compute)
        run_on_ray(request.ray, work, cases, progress.ended, progress.tell)
        return
    models = [WarmModel.of(spec, request.settings, request.compute) for spec in specs]
    with short_turns():
        Pipeline(CohortFolder(request.out), models, request.settings, progress.ended).run(cases)


def _specs(request: CohortRequest) -> list[ModelSpec]:
    specs = [find_model(model) for model in request.models]
    if len({spec.id for spec in specs}) < len(specs):
        raise InputError("A model was given twice; give each once.")
    plane = request.settings.plane
    return specs if plane is None else [spec.in_plane(plane) for spec in specs]


def _check(request: CohortRequest, spec: ModelSpec) -> None:
    """Raises `InputError` for what the model can't do, before the folder remembers it as its settings."""
    settings, facts = request.settings, spec.facts
    for title in settings.attention:
        if title not in (*facts.maps, "default", "all", "none"):
            raise InputError(
                f"Model '{spec.id}' has no attention map '{title}'; choose from: {', '.join(facts.maps) or 'none'}."
            )
    if settings.level is not None and settings.level not in facts.levels:
        raise InputError(f"The network of model '{spec.id}' can't be pruned to level {settings.level}; leave it out.")
    if settings.flips and not spec.mirrored:
        raise InputError(f"Model '{spec.id}' was never trained on mirrored slices; leave flips out.")


def _in_order(folder: CohortFolder, cases: Sequence[CohortCase], models: Sequence[str]) -> list[CohortCase]:
    """The cases that are not done. Those that failed, or were begun when a process was killed, come last: should one of
    them end the process again, all others are done."""
    todo = []
    for case in cases:
        if folder.missing(case, models):
            todo.append(case)
        else:
            folder.finish(case)  # the process may have been killed before it could
    begun = {case.name for case in todo if folder.unfinished(case) is not None}
    return sorted(todo, key=lambda case: case.name in begun)


class _Overview:
    """Table and page, of all parts."""

    def __init__(self, folder: CohortFolder, cases: Sequence[CohortCase], specs: Sequence[ModelSpec], *, names: bool):
        self._folder, self._cases, self._specs, self._names = folder, cases, specs, names
        self._written = time.monotonic()

    def write_now_and_then(self) -> None:
        if time.monotonic() - self._written > _OFTEN:
            self.write()

    def write(self) -> None:
        """Raises `OSError`."""
        with self._folder.alone():
            records = list(records_of(self._folder, self._cases, self._specs))
            rows = table_rows(records, names=self._names)
            write_text_file(self._folder.path / TABLE, table_text(rows))
            if can_write_parquet():
                with whole_file(self._folder.path / PARQUET) as file:
                    write_parquet(file, rows)
            write_text_file(self._folder.path / PAGE, page_text(records, self._folder))
        self._written = time.monotonic()


class _Progress:
    """Keeps the log, and tells how far it is. Called from one thread only."""

    def __init__(self, log: Path, overview: _Overview, tell: Callable[[str], None], total: int):
        self._log, self._overview, self.tell, self._total = log, overview, tell, total
        self._begin = time.monotonic()
        self.done = self.failed = 0

    def ended(self, outcome: CaseOutcome) -> None:
        self.done += 1
        self.failed += bool(outcome.failures)
        line = f"{outcome.case.name}: {_in_words(outcome)}"
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        with writing(self._log.parent):
            with self._log.open("a", encoding="utf-8") as log:
                log.writelines(f"{now} {text}\n" for text in [line, *outcome.details])
            self._overview.write_now_and_then()
        self.tell(f"[{self.done}/{self._total}] {line}{self._left()}")

    def _left(self) -> str:
        left = (time.monotonic() - self._begin) / self.done * (self._total - self.done)
        if self.done == self._total:
            return ""
        return f" (about {left / 60:.0f} min left)" if left >= 90 else f" (about {max(1, round(left))} s left)"


def _in_words(outcome: CaseOutcome) -> str:
    failures = [f"{model}: {sentence}" if model else sentence for model, sentence in outcome.failures.items()]
    if failures:
        return f"failed. {' '.join(failures)}"
    return "; ".join(outcome.found) or "done already"
