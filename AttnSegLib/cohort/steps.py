"""The three steps of a case: reading, predicting, writing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from AttnSegLib.cohort.cohort_folder import CohortSettings
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.errors import InputError, printable
from AttnSegLib.images.volume import Volume, read_volume
from AttnSegLib.inference.checks import preflight
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import Prediction, PredictionOptions, chosen_maps
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.results.pictures.thumbnail import THUMBNAIL, write_thumbnail
from AttnSegLib.results.results_folder import REPORT, results_folder, write_run_report, writing
from AttnSegLib.results.run_files import WantedFormat, no_picture, write_run_files
from AttnSegLib.results.run_report import Asked, nothing_found, report_of_run


@dataclass(frozen=True, eq=False)
class WarmModel:
    """A model that is loaded, and what to ask of it. turn: held while it predicts; models may share it."""

    spec: ModelSpec
    predictor: SlicePredictor
    options: PredictionOptions
    turn: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, spec: ModelSpec, settings: CohortSettings, compute: Compute) -> WarmModel:
        """Raises `InputError` as `SlicePredictor.from_model`, and for an attention map that it does not have."""
        predictor = SlicePredictor.from_model(spec, replace(compute, many_scans=True), level=settings.level)
        titles = chosen_maps(settings.attention, spec, predictor.attention_titles)
        if unknown := [title for title in titles if title not in predictor.attention_titles]:
            raise InputError(
                f"Model '{spec.id}' has no attention map '{unknown[0]}'; choose default, all or none, which fit all."
            )
        options = PredictionOptions(titles, flips=settings.flips, probabilities=settings.probabilities)
        return cls(spec, predictor, options)


@dataclass(frozen=True, eq=False)
class ReadScan:
    """A volume that was read, in so many seconds."""

    volume: Volume
    seconds: float


def read_scan(case: CohortCase, *, pictures: bool = False) -> ReadScan:
    """Raises `InputError` as `read_volume`. pictures: whether it may be one."""
    begin = time.perf_counter()
    volume = read_volume(case.image, series=case.series, pictures=pictures)
    return ReadScan(volume, time.perf_counter() - begin)


def predicted(scan: ReadScan, model: WarmModel) -> Prediction:
    """What a model says of a scan; the notices are all that there are. Raises as `SlicePredictor.predict`."""
    before = [*no_picture(), *scan.volume.notices, *preflight.warnings(scan.volume, model.spec)]
    with model.turn:
        prediction = model.predictor.predict(scan.volume, model.options)
    notices = (*before, *prediction.notices, *nothing_found(model.spec, prediction))
    return replace(prediction, notices=notices)


@dataclass(frozen=True, eq=False)
class Finished:
    """A prediction that is to be written. out: folder for the results."""

    case: CohortCase
    spec: ModelSpec
    prediction: Prediction
    reading: float
    out: Path

    def write(self, settings: CohortSettings) -> dict[str, Any]:
        """The report. Results are written whole, or not at all.

        Raises `InputError`, whose cause is an `OSError` if the disk refuses.
        """
        begin = time.perf_counter()
        file = printable(self.case.image.name) if settings.names else None
        asked = Asked(file, settings.level, settings.flips, settings.plane is not None)
        report = report_of_run(self.spec, self.prediction, asked)
        report["notices"] = list(self.prediction.notices)
        wanted = WantedFormat(settings.file_format, self.case.image, self.case.series)
        with results_folder(self.out, overwrite=False, inputs=[self.case.image]) as folder, writing(self.out):
            report |= write_run_files(folder, self.spec, self.prediction, None, wanted)
            write_thumbnail(folder / THUMBNAIL, self.prediction, self.spec.labels)
            seconds = {"read": self.reading, "predict": self.prediction.seconds}
            report["seconds"] = seconds | {"write": time.perf_counter() - begin}
            write_run_report(folder / REPORT, report)
        return report
