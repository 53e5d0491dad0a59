"""The command `attnseg segment`: a file in, a folder of results out, or one file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from AttnSegLib import networks
from AttnSegLib.errors import InputError, printable
from AttnSegLib.images.volume import Volume, read_label_map, read_volume
from AttnSegLib.inference.checks import preflight
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import Prediction, PredictionOptions, Watch, chosen_maps
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.catalog import find_model
from AttnSegLib.networks.attention import attention_maps
from AttnSegLib.networks.override import switchable_maps
from AttnSegLib.networks.replacement import Replacement
from AttnSegLib.results.results_folder import REPORT, result_file, results_folder, write_run_report, writing
from AttnSegLib.results.run_files import WantedFormat, format_of_file, no_picture, write_one_file, write_run_files
from AttnSegLib.results.run_report import Asked, nothing_found, report_of_run
from AttnSegLib.worker import blocking
from AttnSegLib.worker.messages import Request


@dataclass(frozen=True)
class SegmentRequest:
    """What to segment, and how.

    Args:
        image: a file, or the folder of a DICOM series.
        model: its id, or its folder.
        out: the folder for the results; or a file, whose name ends as those of images do, for the segmentation alone.
        attention: titles of the maps to write; or one word: "default", "all" or "none".
        compute: device, batch size, precision and engine.
        level: to which an ANU-Net is pruned; None for the whole network.
        flips: take the mean over flipped slices.
        plane: of the slices, by the scan's header; None takes the model's.
        series: number of the DICOM series, if there are several.
        reference: a label map to compare with.
        worker: predict in a process of its own.
        overwrite: replace results that `out` holds already.
        names: write the name of the image, which may be a patient's, into the report.
        without: titles of the attention maps to switch off; or one word: "all".
        file_format: of the files in a folder, one of `FORMATS`.
        probabilities: write those of each segment, too.
    """

    image: Path
    model: str
    out: Path
    attention: tuple[str, ...] = ("default",)
    compute: Compute = field(default_factory=Compute)
    level: int | None = None
    flips: bool = False
    plane: str | None = None
    series: str | None = None
    reference: Path | None = None
    worker: bool = False
    overwrite: bool = False
    names: bool = True
    without: tuple[str, ...] = ()
    file_format: str = "seg.nrrd"
    probabilities: bool = False


def segment_to_folder(
    request: SegmentRequest, watch: Watch | None = None, notify: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Segment a volume, write the results, and return the report. notify gets each notice as soon as it is known.

    Raises `InputError` for bad input; then nothing was written.
    """
    notices: list[str] = []

    def note(sentences: Iterable[str]) -> None:
        for sentence in sentences:
            notices.append(sentence)
            if notify is not None:
                notify(sentence)

    spec = find_model(request.model)
    if request.plane is not None:
        spec = spec.in_plane(request.plane)
    inputs = [path for path in (request.image, request.reference) if path is not None]
    request = _for_one_file(request)
    is_file = format_of_file(request.out) is not None
    kind = format_of_file(request.out) or request.file_format
    wanted = WantedFormat(kind, request.image, request.series, request.without)
    wanted.check()
    place = result_file if is_file else results_folder
    with place(request.out, overwrite=request.overwrite, inputs=inputs) as folder:
        note([] if is_file else no_picture())
        start = time.perf_counter()
        volume = read_volume(request.image, series=request.series, pictures=spec.training.pictures)
        reference = read_label_map(request.reference, volume) if request.reference else None
        note(volume.notices)
        note(preflight.warnings(volume, spec))
        reading = time.perf_counter() - start
        predict = _predict_in_worker if request.worker else _predict
        prediction = predict(request, spec, volume, _Follower(watch, note))
        note(nothing_found(spec, prediction))
        file = printable(request.image.name) if request.names else None
        asked = Asked(file, request.level, request.flips, request.plane is not None, request.without)
        report = report_of_run(spec, prediction, asked, reference)
        report["notices"] = notices
        start = time.perf_counter()
        with writing(request.out):
            if is_file:
                write_one_file(folder / request.out.name, spec, prediction, wanted)
            else:
                report |= write_run_files(folder, spec, prediction, reference, wanted)
            seconds = time.perf_counter() - start
            report["seconds"] = {"read": reading, "predict": prediction.seconds, "write": seconds}
            if not is_file:
                write_run_report(folder / REPORT, report)
    return report


def _for_one_file(request: SegmentRequest) -> SegmentRequest:
    """The request, without the attention maps that nobody asked for if there is one file only.

    Raises `InputError` if they were asked for, or another format than that of the file's name.
    """
    kind = format_of_file(request.out)
    if kind is None:
        return request
    if request.file_format not in (SegmentRequest.file_format, kind):
        raise InputError(
            f"'{request.out.name}' is one file, whose name says its format; leave --format out, or give a folder."
        )
    if request.attention not in (("default",), ("none",)) or request.probabilities:
        raise InputError(f"'{request.out.name}' is one file, without a place for maps; give a folder.")
    return replace(request, attention=("none",))


class _Follower:
    """Passes on to a watch, if there is one, how far the prediction is; its notices are noted."""

    def __init__(self, watch: Watch | None, note: Callable[[Iterable[str]], None]):
        self._watch, self._note = watch, note

    def finished(self, stored_indices: list[int], done: int, total: int) -> None:
        if self._watch is not None:
            self._watch.finished(stored_indices, done, total)

    def noticed(self, sentence: str) -> None:
        self._note([sentence])

    def cancelled(self) -> bool:
        return self._watch is not None and self._watch.cancelled()


def _predict(request: SegmentRequest, spec: ModelSpec, volume: Volume, watch: Watch) -> Prediction:
    predictor = SlicePredictor.from_model(spec, request.compute, level=request.level)
    return predictor.predict(volume, _options(request, spec, predictor.network), watch)


def _predict_in_worker(request: SegmentRequest, spec: ModelSpec, volume: Volume, watch: Watch) -> Prediction:
    pruned = {} if request.level is None else {"level": request.level}
    with torch.device("meta"):  # only its titles are wanted
        network = networks.create(spec.network, **spec.options | pruned)
    options = _options(request, spec, network)
    return blocking.predict(volume, Request(spec, options, request.compute, request.level), watch)


def _options(request: SegmentRequest, spec: ModelSpec, network: torch.nn.Module) -> PredictionOptions:
    titles = chosen_maps(request.attention, spec, list(attention_maps(network)))
    off = switchable_maps(network) if request.without == ("all",) else request.without
    replaced = tuple(map(Replacement, dict.fromkeys(off)))
    return PredictionOptions(
        titles,
        flips=request.flips,
        probabilities=request.probabilities,
        channels=bool(titles),
        replaced=replaced,
    )
