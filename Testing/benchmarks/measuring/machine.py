"""Where a benchmark ran: processor, GPU, threads, versions; and how to wait for the GPU."""

from __future__ import annotations

import os
import platform
import resource
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

PACKAGES = ("torch", "monai", "nnunetv2", "onnxruntime", "openvino", "numpy", "SimpleITK")


@dataclass(frozen=True)
class Run:
    """device, and threads of the CPU; networks: names; quick, full: how much; out: folder for files."""

    device: torch.device
    threads: int
    networks: tuple[str, ...]
    quick: bool
    full: bool
    out: Path


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(run: Run) -> str:
    """Two lines: the machine, and the versions."""
    on_gpu = run.device.type == "cuda"
    gpu = f"; {torch.cuda.get_device_name(run.device)}, CUDA {torch.version.cuda}" if on_gpu else ""
    processor = f"{_processor()}, {cores()} cores, {run.threads} thread(s){gpu}"
    versions = ", ".join(f"{name} {version(name) or '(not installed)'}" for name in PACKAGES)
    return f"{processor}\nPython {platform.python_version()}, {versions}"


def version(package: str) -> str | None:
    """Of an installed package; None for one that is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def wait(device: torch.device) -> None:
    """Until the GPU has done all that it was told: without this, times of a GPU are those of the telling."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_bytes() -> int:
    """Largest memory that this process ever had.

    What `getrusage` says is on Linux at least what the parent had when it started this process; and macOS counts in
    bytes.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def _processor() -> str:
    """With the widest vector instructions, which a cloud's name of a processor does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    flags = named.get("flags", "").split()
    widest = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if flag in flags]
    return f"{named.get('model name', platform.machine())} ({', '.join(widest) or platform.machine()})"
