"""What is wrong with a DICOM file, in words that fit one file as well as many."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from struct import error as StructError

from pydicom.errors import BytesLengthException, InvalidDicomError

from AttnSegLib.errors import InputError, printable

_NAMED = 3  # files by name in one sentence

# What pydicom raises, depending on where in a header the damage is: it has no error of its own for it.
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
    """Why a file can't be read as a slice. what: "In 'name', ..."; cure: "...; do this"; is_damage: whether it would be
    a slice if it were whole."""

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
    """Fewer bytes than the header claims pixels."""
    what = f"there are fewer pixels than the {columns} x {rows} that the header claims"
    return Fault(what, "the files were cut short, copy the series again", True)


def too_many(rows: int, columns: int) -> Fault:
    """More bytes than the header claims pixels."""
    what = f"there are more pixels than the {columns} x {rows} that the header claims"
    return Fault(what, "export the series again", True)


class Unusable(Exception):
    """A DICOM file can't be read as a slice, for a reason that the user can be told."""

    def __init__(self, fault: Fault):
        super().__init__(fault.what)
        self.fault = fault


def refusal(paths: list[Path], fault: Fault) -> InputError:
    """The error about files with one fault."""
    return InputError(f"In {names(paths)}, {fault.what}; {fault.cure}.")


def names(paths: list[Path]) -> str:
    """The names of files, the first few of them if there are many."""
    told = [f"'{printable(path.name)}'" for path in paths]
    if len(told) > _NAMED:
        told = [*told[:_NAMED], f"{len(told) - _NAMED} more"]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
