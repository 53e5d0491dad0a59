"""Run in a downloaded Slicer: AttnSeg's self test, as its "Reload and Test" runs it.

Slicer ends with success also if it does not find a script, so success is a file: SELF_TEST_PASSED names it.
"""

import os
import unittest
from pathlib import Path

import slicer.testing

slicer.util.selectModule("AttnSeg")  # the panel opens
if "AttnSeg" not in slicer.selfTests:
    raise RuntimeError("the self test is not registered")
if unittest.TestLoader().loadTestsFromName("AttnSeg").countTestCases() == 0:
    raise RuntimeError("there is no self test")
slicer.testing.runUnitTest([], "AttnSeg")
Path(os.environ["SELF_TEST_PASSED"]).write_text("passed\n", encoding="utf-8")
