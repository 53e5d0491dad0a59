"""What can be wrong with a DICOM file, in words that fit one file and many files."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from struct import error as StructError

from pydicom.errors import BytesLengthException, InvalidDicomError

from AttnSegLib.errors import InputError, printable

_NAMED = 3  # most files that one sentence names

# What pydicom may raise for a damaged header: it depends on where the damage is.
DAMAGE = (
    BytesLengthException,
    InvalidDicomError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    StructError,
    TypeError,
    ValueError,
    zlib.error,
)


@dataclass(frozen=True)
class Fault:
    """Why a file can't be read as a slice.

    Args:
        what: the reason. The sentence is "In 'name', WHAT; CURE."
        cure: what the user can do.
        is_damage: whether the file would be a slice if it were not damaged.
    """

    what: str
    cure: str
    is_damage: bool = False


HEADER = Fault("the header is damaged or cut short", "copy the series again", True)
NO_IMAGE = Fault("there is no image", "give the slices of a scan")
NO_PIXELS = Fault("the header announces an image, but there are no pixels", "copy the series again", True)
CUT_PIXELS = Fault("the packed pixels are damaged or cut short", "copy the series again", True)
NO_PLACE = Fault("position, orientation or pixel spacing is not given", "export the original slices")
WRONG_PLACE = Fault("position, orientation or pixel spacing is nonsense", "export the original slices again", True)
COLOUR = Fault("the pixels have colours", "export the grey slices of the scan")
MOSAIC = Fault(
    "all slices of a volume are tiled in one picture (a Siemens mosaic)",
    "convert it with dcm2niix, and give the NIfTI file of one time point",
)
FRAMES = Fault(
    "there are many frames, but not where each of them lies in the patient", "export them as slices, one a file"
)
NO_SCAN = Fault("there is no scan but what was made of one (a dose, a segmentation, a map)", "give the scan itself")
BITS = Fault("the header describes pixels that no scan has", "export the slices with 8, 16 or 32 bits a pixel")
SCALE = Fault("the rescaling of the intensities is nonsense", "export the original slices again", True)
UNDECODABLE = Fault("the pixels can't be decoded", "export the series uncompressed")


def too_few(rows: int, columns: int) -> Fault:
    """The fault that a file has fewer pixels than its header says."""
    what = f"there are fewer pixels than the {columns} x {rows} that the header claims"
    return Fault(what, "the files were cut short, copy the series again", True)


def too_many(rows: int, columns: int) -> Fault:
    """The fault that a file has more pixels than its header says."""
    what = f"there are more pixels than the {columns} x {rows} that the header claims"
    return Fault(what, "export the series again", True)


class Unusable(Exception):
    """A DICOM file can't be read as a slice. The fault is told to the user."""

    def __init__(self, fault: Fault):
        super().__init__(fault.what)
        self.fault = fault


def refusal(paths: list[Path], fault: Fault) -> InputError:
    """The error for files that all have the same fault."""
    return InputError(f"In {names(paths)}, {fault.what}; {fault.cure}.")


def names(paths: list[Path]) -> str:
    """The names of files as a list in words. Of many files, only the first few are named."""
    told = [f"'{printable(path.name)}'" for path in paths]
    if len(told) > _NAMED:
        told = [*told[:_NAMED], f"{len(told) - _NAMED} more"]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
