"""`attnseg teach`: gives its arguments to `training.teach`, which lies beside the library in a checkout.

A wheel has no package `training`, so the library itself never imports it.
"""

from __future__ import annotations

import importlib
import sys

from AttnSegLib.collections.teaching_process import LIBRARY, has_training, lacking
from AttnSegLib.commands.interrupts import interrupt_in_order, leave_at_once
from AttnSegLib.errors import InputError


def teach(arguments: list[str]) -> int:
    """Teach a model, as `python -m training.teach` does; returns the exit code. Raises `InputError` if this
    installation can't."""
    if not has_training():
        raise InputError(
            "This attnseg was installed without its training; run pip install --editable '.[train]' in a checkout of "
            "AttnSeg, or teach in Slicer, in the panel's section Teach."
        )
    if missing := lacking():
        names = " ".join(f"'{name}'" for name in missing)
        raise InputError(f"Teaching needs packages that are missing: pip install {names}")
    leave_at_once()
    sys.path.insert(0, str(LIBRARY))
    module = importlib.import_module("training.teach")
    interrupt_in_order()
    return int(module.main(arguments))
