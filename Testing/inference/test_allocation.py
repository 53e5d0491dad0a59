"""Memory is kept while a prediction lasts, and given back afterwards."""

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from AttnSegLib.inference.cpu_memory import memory_kept

resource = pytest.importorskip("resource", reason="Windows counts no faults for us")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"),
    reason="there is no glibc",
)
SIZE, BLOCK = 200 << 20, 40 << 20


def faults(size=SIZE):
    """Pages that were fetched to fill a block of memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(size, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_what_was_freed_is_there_at_once():
    assert faults() > 100
    with memory_kept():
        faults()
        assert faults() < 50


def test_what_another_thread_freed_is_there_at_once():
    def twice():
        below = np.ones(BLOCK, np.uint8)  # the next one needs a heap of its own
        faults(BLOCK)
        return faults(BLOCK) * below[0]

    with memory_kept(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(twice).result() < 50


def test_afterwards_it_is_given_back_and_all_is_as_before():
    before = resident()
    with memory_kept():
        faults()
        assert resident() > before + SIZE // 2
    assert resident() < before + SIZE // 2
    faults()
    assert faults() > 100


def test_an_error_ends_it_too():
    def stumble():
        with memory_kept():
            faults()
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stumble()
    assert faults() > 100


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with memory_kept():
        pass
