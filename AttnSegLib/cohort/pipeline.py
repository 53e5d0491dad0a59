"""Case after case: while one is predicted, the next is read and the last is written. Memory holds three volumes.

Reading and writing have a thread each; predicting is for the thread that calls, since Ctrl-C reaches it.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from AttnSegLib.cohort.cohort_folder import CohortFolder, CohortSettings
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.cohort.steps import Finished, ReadScan, WarmModel, predicted, read_scan
from AttnSegLib.errors import InputError, printable
from AttnSegLib.inference.prediction import Prediction
from AttnSegLib.results.results_folder import writing
from AttnSegLib.results.run_files import WantedFormat

T = TypeVar("T")

_TURN = 0.0005  # seconds


@contextmanager
def short_turns() -> Iterator[None]:
    """For threads of which one predicts while another writes. Only one can be in Python, and a network comes back to it
    after each of its steps: each time, it would wait 5 ms for a picture that is drawn, and so writing would delay
    predicting instead of going on beside it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@dataclass(eq=False)
class CaseOutcome:
    """How a case went, so far. failures: model to sentence, "" for all models; found: a few words for each model;
    details: for the log."""

    case: CohortCase
    failures: dict[str, str] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)


class Pipeline:
    """Works on cases in a folder. ended: is called with the outcome of each case, when all of it is on disk."""

    def __init__(
        self,
        folder: CohortFolder,
        models: Sequence[WarmModel],
        settings: CohortSettings,
        ended: Callable[[CaseOutcome], None],
    ):
        self._folder, self._models, self._settings, self._ended = folder, models, settings, ended
        self._writing: Future[None] | None = None

    def run(self, cases: Sequence[CohortCase]) -> None:
        """Work on all of them. A case that fails is an outcome. Raises `InputError` if the folder can't be written to,
        and KeyboardInterrupt; then what was written last is whole."""
        with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
            try:
                scans = [self._begin(case, reader) for case in cases[:1]]
                for number, case in enumerate(cases):
                    scan = scans.pop()
                    scans += [self._begin(later, reader) for later in cases[number + 1 : number + 2]]
                    self._work_on(CaseOutcome(case), scan, writer)
                    del scan  # it is not kept while the next one is waited for
                self._settle()
            finally:
                for threads in (reader, writer):
                    threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, case: CohortCase, reader: ThreadPoolExecutor) -> Future[ReadScan]:
        """What an earlier run found wrong holds until this one knows better."""
        unfinished = self._folder.unfinished(case)
        with writing(self._folder.path):
            self._folder.begin(case, unfinished.failures if unfinished is not None else {})
        return reader.submit(self._read, case)

    def _read(self, case: CohortCase) -> ReadScan:
        WantedFormat(self._settings.file_format, case.image, case.series).check()
        return read_scan(case, pictures=all(model.spec.training.pictures for model in self._models))

    def _work_on(self, outcome: CaseOutcome, reading: Future[ReadScan], writer: ThreadPoolExecutor) -> None:
        scan = self._tried(outcome, "", reading.result)
        if scan is not None:
            missing = self._folder.missing(outcome.case, [model.spec.id for model in self._models])
            for model in self._models:
                if model.spec.id in missing:
                    self._predict(outcome, scan, model, writer)
        self._settle()
        self._writing = writer.submit(self._conclude, outcome)

    def _predict(self, outcome: CaseOutcome, scan: ReadScan, model: WarmModel, writer: ThreadPoolExecutor) -> None:
        prediction = self._tried(outcome, model.spec.id, lambda: predicted(scan, model))
        if prediction is not None:
            self._settle()
            self._writing = writer.submit(self._write, outcome, model, prediction, scan.seconds)

    def _settle(self) -> None:
        """Wait until the last is written: no more than one may wait in memory."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, outcome: CaseOutcome, model: WarmModel, prediction: Prediction, reading: float) -> None:
        out = self._folder.results(outcome.case, model.spec.id)
        finished = Finished(outcome.case, model.spec, prediction, reading, out)
        report = self._tried(outcome, model.spec.id, lambda: finished.write(self._settings))
        if report is None:
            return
        told = ", ".join(f"{one['name']} {one['volume_ml']:.1f} mL" for one in report["segments"])
        if count := len(prediction.notices):
            told += f" ({count} notice{'s' * (count > 1)}: see the table)"
        outcome.found.append(f"{model.spec.id}: {told}" if len(self._models) > 1 else told)
        outcome.details += [f"{model.spec.id}: {notice}" for notice in prediction.notices]

    def _conclude(self, outcome: CaseOutcome) -> None:
        with writing(self._folder.path):
            if outcome.failures:
                self._folder.begin(outcome.case, outcome.failures)
            else:
                self._folder.finish(outcome.case)
        self._ended(outcome)

    def _tried(self, outcome: CaseOutcome, model: str, step: Callable[[], T]) -> T | None:
        """What a step gives; None if it failed, which becomes part of the outcome."""
        try:
            return step()
        except Exception as error:  # whatever one case brings about, the others go on
            if model and isinstance(error, InputError) and isinstance(error.__cause__, OSError):
                raise  # the disk of the results refuses, and would refuse all others, too
            outcome.failures[model] = self._sentence(outcome.case, error)
            if not isinstance(error, InputError):
                outcome.details.append(traceback.format_exc())
            return None

    def _sentence(self, case: CohortCase, error: Exception) -> str:
        if isinstance(error, InputError):
            sentence = str(error)
        elif isinstance(error, MemoryError):
            sentence = "There is not enough memory for this scan; close other programs, or crop it."
        else:
            first = (str(error) or type(error).__name__).splitlines()[0]
            sentence = f"The computation failed ({type(error).__name__}: {first}); the log has the details."
        if not self._settings.names:
            sentence = sentence.replace(str(case.image), case.name).replace(case.image.name, case.name)
        return printable(sentence)
