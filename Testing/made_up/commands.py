"""Commands of training in this process: one of its own would spend most of its time importing Lightning and MONAI."""

import io
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote to standard output and standard error."""

    code: int
    printed: str
    said: str


def run_here(main, *arguments):
    """Run the `main` of a command with these arguments; Lightning warns a lot, which is no error here."""
    printed, said = io.StringIO(), io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(printed), redirect_stderr(said):
        warnings.simplefilter("ignore")
        code = main([str(argument) for argument in arguments])
    return Ended(code, printed.getvalue(), said.getvalue())
