"""What the self-check finds. No torch: the panel shows findings, and only the worker makes them."""

from __future__ import annotations

from dataclasses import dataclass

OPENVINO, NOT_INSTALLED = "OpenVINO", "not installed"  # the one that may be missing, and how its detail begins then


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. cure: what to do if it is not in order."""

    name: str
    ok: bool
    detail: str
    cure: str = ""
