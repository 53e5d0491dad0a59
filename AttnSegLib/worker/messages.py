"""All messages between client and worker, each a small type of its own. Session and panel use them, too. No torch.

Orders go to the worker, all others come from it. A message is a dataclass of plain values: `typed_json` turns it into
JSON and checks it when it is read, so that nothing else than our messages gets through.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, get_args

from AttnSegLib.inference.checks.finding import Finding
from AttnSegLib.inference.prediction import ComputeOptions, PredictionOptions
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.results.measures import Measure
from AttnSegLib.results.slices_to_check import SliceToCheck
from AttnSegLib.typed_json import Between, from_json, to_json

VERSION = 5  # of these messages; two processes of different versions do not talk
_KIND = "say"

Axis = Annotated[int, Between(0, 2)]
Row = tuple[float, float, float, float]


@dataclass(frozen=True)
class Block:
    """An array in shared memory. name: of the memory, or the path of a file in its place; dtype: as numpy writes it."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Request:
    """What to predict, with which model, how. level: of a pruned network, None for the whole."""

    spec: ModelSpec
    options: PredictionOptions = field(default_factory=PredictionOptions)
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    level: int | None = None


# To the worker


@dataclass(frozen=True)
class SegmentOrder:
    """Run a model.

    Args:
        job: number of the job.
        request: what to predict.
        folder: in which the model lies.
        voxels: (D, H, W) of the volume; the same block as in the last order if the volume is the same.
        affine, modality, padding: of the volume; the affine as 4 rows.
        label_map, attention, probabilities: where to write results, as in `Canvas`.
        painted: as in `PredictionOptions`.
    """

    job: int
    request: Request
    folder: str
    voxels: Block
    affine: tuple[Row, Row, Row, Row]
    modality: str | None
    padding: float | None
    label_map: Block
    attention: dict[str, Block]
    probabilities: dict[int, Block]
    painted: dict[str, Block] = field(default_factory=dict)


@dataclass(frozen=True)
class CompareOrder:
    """Compare two masks (D, H, W). spacing: along i, j, k, mm."""

    job: int
    reference: Block
    prediction: Block
    spacing: tuple[float, float, float]


@dataclass(frozen=True)
class CheckOrder:
    """Run the self-check."""

    job: int


@dataclass(frozen=True)
class CancelOrder:
    """Stop a job; at any time."""

    job: int


# From the worker


@dataclass(frozen=True)
class Hello:
    """The first message. version: of the messages that follow."""

    version: int


@dataclass(frozen=True)
class Alive:
    """A sign of life, every few seconds, whatever is computed."""


@dataclass(frozen=True)
class Ready:
    """The worker has started.

    Args:
        devices: all but the CPU, each as its name for a request, its name in words, and its free memory in MiB or None.
        cpu_lanes: how many batches can run side by side on the CPU, see `inference.cost`.
    """

    devices: tuple[tuple[str, str, int | None], ...]
    cpu_lanes: Annotated[int, Between(1, 2**16)] = 1


@dataclass(frozen=True)
class Attached:
    """The worker has opened the job's shared memory, so that the client can remove its names."""

    job: int


@dataclass(frozen=True)
class SlicesDone:
    """These slices, by stored index along array axis `axis`, are in the job's arrays; seconds_left: an estimate."""

    job: int
    axis: Axis
    indices: tuple[int, ...]
    done: int
    total: int
    seconds_left: float


@dataclass(frozen=True)
class Notice:
    """A sentence for the user, such as a fall-back to the CPU."""

    job: int
    sentence: str


@dataclass(frozen=True)
class Result:
    """The job's arrays are complete. slices: number of slices that were predicted; axis: array axis of the slices;
    device, notices, expected_error: as in `Prediction`; to_check: the most doubtful slices first."""

    job: int
    seconds: float
    seconds_to_first_slice: float
    slices: int
    axis: Axis
    device: str
    notices: tuple[str, ...]
    expected_error: dict[int, float]
    measures: tuple[Measure, ...]
    to_check: tuple[SliceToCheck, ...]


@dataclass(frozen=True)
class Compared:
    """Agreement with a reference, as `metrics.MaskComparison.as_dict` gives it."""

    job: int
    scores: dict[str, float | None]


@dataclass(frozen=True)
class Checked:
    """The self-check is done."""

    job: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class JobCancelled:
    """The job was stopped on request."""

    job: int

    @property
    def sentence(self) -> str:
        """For the user."""
        return "Cancelled; everything is as it was before."


@dataclass(frozen=True)
class JobFailed:
    """The job came to nothing. sentence: for the user; detail: for the log, without anything of the patient's."""

    job: int
    sentence: str
    detail: str = ""


Order = SegmentOrder | CompareOrder | CheckOrder | CancelOrder
OfJob = Attached | SlicesDone | Notice | Result | Compared | Checked | JobCancelled | JobFailed
Message = Order | Hello | Alive | Ready | OfJob
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Message)}


def message_to_json(message: Message) -> dict[str, Any]:
    """What `json.dumps` takes."""
    return {_KIND: type(message).__name__} | dict(to_json(message))


def message_from_json(content: Any) -> Message:
    """The message that `message_to_json` made this of. Raises `ValueError` for anything else."""
    kind = content.get(_KIND) if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError("it is no message")
    message: Message = from_json(_KINDS[kind], content)
    return message
