"""Benchmarks that need a process of their own: peak memory and starting can be measured only once in each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


def result_of(module: str, threads: int, *arguments: object) -> dict[str, Any]:
    """What `python -m Testing.benchmarks.MODULE ARGUMENTS` prints last, as JSON."""
    command = [sys.executable, "-W", "ignore", "-m", f"Testing.benchmarks.{module}", *map(str, arguments)]
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    output = subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True).stdout
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer
