"""What MS-Dual-Guided's position attention really takes from memory; everything else about it is in
test_paper_networks.py."""

import subprocess
import sys

import pytest

SIDE = 96
MATRIX = (SIDE * SIDE) ** 2 * 4  # bytes: 324 MiB

# In a process of its own: the largest size a process ever had can't be set back.
PROGRAM = f"""
import resource, torch
from AttnSegLib.networks.papers.msdualguided import MSDualGuidedPositionAttention

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

attention = MSDualGuidedPositionAttention(64, "a")
torch.nn.init.ones_(attention.gamma)
attention(torch.rand(1, 64, 8, 8)).sum().backward()
x = torch.rand(1, 64, {SIDE}, {SIDE})
before = peak()
attention(x).sum().backward()
print(peak() - before)
"""


def test_position_attention_keeps_no_matrix_forwards_or_backwards():
    """With the kernel that really runs: the cost table counts shapes and can't know which one torch takes."""
    pytest.importorskip("resource")
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    grown = int(run.stdout) * (1 if sys.platform == "darwin" else 1024)  # Linux counts in KiB
    assert grown < MATRIX / 4
