"""What a worker's client reports, one small type for each kind of event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from AttnSegLib.inference.checks.finding import Finding
from AttnSegLib.results.slices_to_check import SliceToCheck
from AttnSegLib.worker.job import Job


@dataclass(frozen=True)
class Ready:
    """The worker is up. devices: (name for a request, in words, free memory in MB or None); the CPU is not listed."""

    devices: tuple[tuple[str, str, int | None], ...]


@dataclass(frozen=True, eq=False)
class SlicesDone:
    """These slices, by stored index along array axis `axis`, are in the job's arrays; seconds_left: an estimate."""

    job: Job
    axis: int
    indices: list[int]
    done: int
    total: int
    seconds_left: float


@dataclass(frozen=True)
class Measure:
    """One segment of a result; mean and sd of the intensity are None where the segment is empty."""

    id: str
    name: str
    volume_ml: float
    slices: int
    mean_intensity: float | None
    sd_intensity: float | None


@dataclass(frozen=True, eq=False)
class Result:
    """The job's arrays are complete. slices: number of slices that were predicted; axis: array axis of the slices;
    to_check: the most doubtful slices first; notices: sentences for the user."""

    job: Job
    seconds: float
    seconds_to_first_slice: float
    slices: int
    axis: int
    device: str
    notices: tuple[str, ...]
    measures: tuple[Measure, ...]
    to_check: tuple[SliceToCheck, ...]


@dataclass(frozen=True, eq=False)
class Compared:
    """Agreement with a reference, as `metrics.MaskComparison.as_dict` gives it."""

    job: Job
    scores: dict[str, float | None]


@dataclass(frozen=True, eq=False)
class Checked:
    """The self-diagnosis is done."""

    job: Job
    findings: tuple[Finding, ...]


@dataclass(frozen=True, eq=False)
class JobCancelled:
    """The job was stopped on request."""

    job: Job


@dataclass(frozen=True, eq=False)
class JobFailed:
    """The job came to nothing. sentence: for the user; detail: for the log, without anything of the patient's."""

    job: Job
    sentence: str
    detail: str = ""


Event = Ready | SlicesDone | Result | Compared | Checked | JobCancelled | JobFailed


def from_message(message: dict[str, Any], job: Job) -> Event | None:
    """The event in a worker's message about a job; None for what is no news."""
    fields = {key: value for key, value in message.items() if key not in ("say", "job")}
    match message["say"]:
        case "slices":
            return SlicesDone(job, **fields)
        case "result":
            names = ("id", "name", "volume_ml", "slices", "mean_intensity", "sd_intensity")
            fields["measures"] = tuple(Measure(**{name: m[name] for name in names}) for m in fields["measures"])
            fields["to_check"] = tuple(SliceToCheck(**entry) for entry in fields["to_check"])
            return Result(job, **fields | {"notices": tuple(fields["notices"])})
        case "compared":
            return Compared(job, fields["scores"])
        case "checked":
            return Checked(job, tuple(Finding(**finding) for finding in fields["findings"]))
        case "cancelled":
            return JobCancelled(job)
        case "failed":
            return JobFailed(job, **fields)
    return None
