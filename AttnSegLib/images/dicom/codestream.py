"""Packed frames: whether they are whole, and as large as the header says, before anything is allocated for them."""

from __future__ import annotations

from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes, RLELossless

from AttnSegLib.images.dicom import faults
from AttnSegLib.images.dicom.faults import Unusable
from AttnSegLib.images.dicom.files import StoredPixels

_KNOWN = {RLELossless, *JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes}
_RUN = 64  # bytes at most that one byte of RLE stands for
_SUSPICIOUS, _PACKED = 1 << 26, 1000  # a frame of more bytes was hardly packed to less than a thousandth
_SIZ = b"\xff\x4f\xff\x51"  # how JPEG 2000 begins
_END = b"\xff\xd9"  # how JPEG, JPEG-LS and JPEG 2000 end
_NO_SIZE = (0xC4, 0xC8, 0xCC)  # markers between those of the size that say something else


def check(frame: bytes, pixels: StoredPixels) -> None:
    """Raises `Unusable` for a packed frame that is cut short, or of another size than the header says."""
    if pixels.syntax not in _KNOWN:
        raise Unusable(faults.UNDECODABLE)
    times = _RUN if pixels.syntax == RLELossless else _PACKED
    if pixels.frame_bytes > max(times * len(frame), 0 if pixels.syntax == RLELossless else _SUSPICIOUS):
        raise Unusable(faults.too_few(pixels.rows, pixels.columns))
    if pixels.syntax == RLELossless:
        return
    if not frame.rstrip(b"\0").endswith(_END):
        raise Unusable(faults.CUT_PIXELS)
    if _size(frame, pixels) != (pixels.rows, pixels.columns):
        raise Unusable(faults.CUT_PIXELS)


def _size(frame: bytes, pixels: StoredPixels) -> tuple[int, int]:
    """Rows and columns that a frame itself announces."""
    if pixels.syntax in JPEG2000TransferSyntaxes:
        start = frame.find(_SIZ)
        right, bottom, left, top = (int.from_bytes(frame[start + at : start + at + 4], "big") for at in (8, 12, 16, 20))
        return bottom - top, right - left
    place = 2  # behind the mark of the beginning
    while place + 9 <= len(frame) and frame[place] == 0xFF:
        mark = frame[place + 1]
        if mark == 0xF7 or (0xC0 <= mark <= 0xCF and mark not in _NO_SIZE):
            rows, columns = (int.from_bytes(frame[place + at : place + at + 2], "big") for at in (5, 7))
            return rows, columns
        if mark == 0xFF:  # a filler
            place += 1
            continue
        place += 2 + int.from_bytes(frame[place + 2 : place + 4], "big")
    return 0, 0
