"""The command `attnseg segment`: a file in, a folder of results out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from AttnSegLib import networks
from AttnSegLib.errors import printable
from AttnSegLib.images.volume import Volume, read_label_map, read_volume
from AttnSegLib.inference.checks import preflight
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import Prediction, PredictionOptions, Watch
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.catalog import find_model
from AttnSegLib.networks.attention import attention_maps
from AttnSegLib.networks.override import switchable_maps
from AttnSegLib.networks.replacement import Replacement
from AttnSegLib.results.measures import measure_segments
from AttnSegLib.results.report import REPORT_FORMAT, compare_with_reference, doubtful_slices, versions
from AttnSegLib.results.results_folder import (
    OVERVIEW,
    REPORT,
    SEGMENTATION,
    attention_file,
    results_folder,
    write_run_report,
    writing,
)
from AttnSegLib.results.segmentation_file import write_heat_map_file, write_segmentation_file
from AttnSegLib.typed_json import to_json
from AttnSegLib.worker import blocking
from AttnSegLib.worker.messages import Request


@dataclass(frozen=True)
class SegmentRequest:
    """What to segment, and how.

    Args:
        image: a file, or the folder of a DICOM series.
        model: its id, or its folder.
        out: the folder for the results.
        attention: titles of the maps to write; or one word: "default", "all" or "none".
        compute: device, batch size and precision.
        level: to which an ANU-Net is pruned; None for the whole network.
        flips: take the mean over flipped slices.
        plane: of the slices, by the scan's header; None takes the model's.
        series: number of the DICOM series, if there are several.
        reference: a label map to compare with.
        worker: predict in a process of its own.
        overwrite: replace results that `out` holds already.
        names: write the name of the image, which may be a patient's, into the report.
        without: titles of the attention maps to switch off; or one word: "all".
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


def segment(
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
    with results_folder(request.out, overwrite=request.overwrite, inputs=inputs) as folder:
        note(_no_picture())
        start = time.perf_counter()
        volume = read_volume(request.image, series=request.series)
        reference = read_label_map(request.reference, volume) if request.reference else None
        note(volume.notices)
        note(preflight.warnings(volume, spec))
        reading = time.perf_counter() - start
        predict = _predict_in_worker if request.worker else _predict
        prediction = predict(request, spec, volume, _Follower(watch, note))
        if not prediction.label_map.any():
            note([f"Nothing was found: is it the right scan for '{spec.id}', and is the organ in it?"])
        report = _report(request, spec, prediction, reference)
        report["notices"] = notices
        start = time.perf_counter()
        with writing(request.out):
            _write_images(folder, spec, prediction, reference, request.without)
            seconds = time.perf_counter() - start
            report["seconds"] = {"read": reading, "predict": prediction.seconds, "write": seconds}
            write_run_report(folder / REPORT, report)
    return report


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
    titles = _attention_titles(request, spec, list(attention_maps(network)))
    off = switchable_maps(network) if request.without == ("all",) else request.without
    return PredictionOptions(tuple(titles), flips=request.flips, replaced=tuple(map(Replacement, dict.fromkeys(off))))


def _attention_titles(request: SegmentRequest, spec: ModelSpec, available: list[str]) -> list[str]:
    if request.attention == ("all",):
        return available
    if request.attention == ("none",):
        return []
    if request.attention != ("default",):
        return list(request.attention)
    if request.level is None:
        return list(spec.attention)
    return [title for title in spec.attention if title in available] or available  # a pruned network lacks some


def _report(
    request: SegmentRequest, spec: ModelSpec, prediction: Prediction, reference: np.ndarray | None
) -> dict[str, Any]:
    stack = prediction.stack
    report: dict[str, Any] = {
        "format": REPORT_FORMAT,
        "model": {
            "id": spec.id,
            "sha256": spec.sha256,
            "level": request.level,
            "flips": request.flips,
            "without": list(request.without),
            "licence": spec.licence,
        },
        "input": _describe_input(printable(request.image.name) if request.names else None, stack.volume),
        "slices": {
            "plane": stack.orientation.plane_name,
            "plane_was_chosen": request.plane is not None,
            "stored_axis_kji": stack.axes[0],
        },
        "segments": to_json(measure_segments(stack, prediction.label_map, spec.labels)),
        "slices_to_check": doubtful_slices(stack, prediction.label_map, prediction.expected_error),
        "attention": {title: attention_file(title) for title in prediction.attention},
        "device": prediction.device,
        "versions": versions(),
    }
    if reference is not None:
        report["agreement_with_reference"] = compare_with_reference(reference, prediction.label_map, spec.labels)
    return report


def _describe_input(name: str | None, volume: Volume) -> dict[str, Any]:
    return {
        "file": name,
        "shape_kji": list(volume.voxels.shape),
        "spacing_ijk_mm": list(volume.spacing),
        "modality": volume.modality,
    }


def _no_picture() -> list[str]:
    """Why there will be no picture of the run; nothing if there will be one."""
    if find_spec("matplotlib") is not None:
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns of a home that it can't write to
        return []
    return [f"There is no {OVERVIEW}, since matplotlib is missing; to have it: pip install matplotlib."]


def _write_images(
    folder: Path, spec: ModelSpec, prediction: Prediction, reference: np.ndarray | None, without: Iterable[str]
) -> None:
    stack = prediction.stack
    affine = stack.volume.affine
    write_segmentation_file(folder / SEGMENTATION, prediction.label_map, affine, spec.labels)
    for title, coefficients in prediction.attention.items():
        write_heat_map_file(folder / attention_file(title), coefficients, affine)
    if _no_picture():
        return
    from AttnSegLib.results.overview import Overview, write_overview

    gammas = {title: known.gamma for title in prediction.attention if (known := spec.influence_of(title))}
    title = ", ".join([spec.title, *(f"without {one}" for one in without)])
    overview = Overview(title, stack, prediction.label_map, spec.labels, prediction.attention, reference, gammas)
    write_overview(folder / OVERVIEW, overview)
