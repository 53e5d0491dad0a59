"""The whole loop on two made-up cases: from the scene to a collection, a model, and a segmentation."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import slicer

from AttnSegLib.collections.cases import add_case, make_collection
from AttnSegLib.collections.teaching_process import begin_teaching, lacking, last_words
from AttnSegLib.collections.teaching_run import DONE, TeachingOrder, read_state, run_folder
from AttnSegLib.mrml.protocols import SegmentationNode, VolumeNode
from AttnSegLib.mrml.segmentations import PlainSegment, add_plain_segment, new_segmentation_node
from AttnSegLib.mrml.teaching.scene_case import read_scene_case, segments_in

_SHAPE = (8, 40, 40)
_ORDER = TeachingOrder(minutes=0.15, network="anunet", device="cpu")
_LONGEST = 300.0  # s, where other programs keep the machine busy


def teach_two_balls(python: str, segment: Callable[[VolumeNode, str], SegmentationNode]) -> None:
    """Raises `AssertionError` if any step fails. Where Lightning and MONAI are not installed it only says so.

    segment: runs a model, by its id, on a volume.
    """
    if missing := lacking():
        logging.warning("AttnSeg: teaching is not tested, since it needs %s.", ", ".join(missing))
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, _models_in(Path(place) / "models"):
        folder, volumes = Path(place) / "balls", []
        for number in range(2):
            volume, segmentation = _ball(number)
            volumes.append(volume)
            if number == 0:
                collection = make_collection(folder, "Balls", "MR", segments_in(segmentation))
            add_case(folder, read_scene_case(volume, segmentation, collection).new_case(collection, None))
        process = begin_teaching(python, folder, _ORDER)
        end = time.monotonic() + _LONGEST
        while process.poll() is None and time.monotonic() < end:
            slicer.app.processEvents()
            time.sleep(0.02)
        state = read_state(run_folder(folder))
        assert state is not None, last_words(run_folder(folder))
        assert state.stage == DONE, last_words(run_folder(folder))
        found = segment(volumes[0], state.model)
        assert found.GetSegmentation().GetNthSegment(0).GetName() == "Ball"


def _ball(number: int) -> tuple[VolumeNode, SegmentationNode]:
    """A bright ball in noise, and its segmentation."""
    rng = np.random.default_rng(number)
    centre = np.array([4, 16 + 4 * number, 20])
    mask = ((np.indices(_SHAPE).T - centre) / (3, 9, 9)) ** 2 @ np.ones(3) < 1
    mask = mask.T
    voxels = (rng.normal(100, 20, _SHAPE) + 150 * mask).astype(np.int16)
    volume: VolumeNode = slicer.util.addVolumeFromArray(
        voxels, ijkToRAS=np.diag([2.0, 2.0, 4.0, 1.0]), name=f"ball {number}"
    )
    segmentation = new_segmentation_node(volume)
    add_plain_segment(segmentation, volume, PlainSegment("Ball", (1.0, 0.5, 0.0), mask))
    return volume, segmentation


@contextmanager
def _models_in(folder: Path) -> Iterator[None]:
    """The user's own models stay as they are."""
    before = os.environ.get("ATTNSEG_MODELS")
    os.environ["ATTNSEG_MODELS"] = str(folder)
    try:
        yield
    finally:
        del os.environ["ATTNSEG_MODELS"]
        if before is not None:
            os.environ["ATTNSEG_MODELS"] = before
