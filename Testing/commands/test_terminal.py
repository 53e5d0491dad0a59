"""`attnseg` on terminals that know few letters, and before readers that do not read on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def attnseg(*arguments, **environment):
    command = [sys.executable, "-m", "AttnSegLib", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, check=False)


@pytest.mark.skipif(os.name == "nt", reason="has other pipes")
@pytest.mark.parametrize("arguments", [["models"], ["models", "--json"]])
def test_a_reader_that_stops_is_no_error(arguments):
    """As `attnseg models | head -1`."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "AttnSegLib", *arguments]
    result = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (result.returncode, result.stderr) == (141, b"")


@pytest.mark.slow
def test_a_terminal_of_ascii_gets_other_letters_written_out():
    result = attnseg("segment", "Gr\u00f6\u00dfe.nii", "--model", "\u00e4", "--out", "nowhere", **ASCII)
    assert result.returncode == 2
    assert b"Traceback" not in result.stderr
    assert result.stderr.isascii()
    assert rb"There is no model '\udcc3\udca4'" in result.stderr  # the bytes of an umlaut, which C does not know
    assert attnseg("models", **ASCII).returncode == 0
