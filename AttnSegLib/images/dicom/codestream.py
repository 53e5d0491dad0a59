"""Checks that packed frames are whole, and as large as the header says, before memory is asked for."""

from __future__ import annotations

import itertools
import struct

from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes, RLELossless

from AttnSegLib.images.dicom import faults
from AttnSegLib.images.dicom.faults import Unusable
from AttnSegLib.images.dicom.files import StoredPixels

_KNOWN = {RLELossless, *JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes}
_RUN = 64  # most bytes that one byte of RLE unpacks to
_SUSPICIOUS, _PACKED = 1 << 26, 1000  # no real frame of more than 1 << 26 bytes packs to less than a thousandth of them
_SIZ = b"\xff\x4f\xff\x51"  # how JPEG 2000 begins
_END = b"\xff\xd9"  # how JPEG, JPEG-LS and JPEG 2000 end
_NO_SIZE = (0xC4, 0xC8, 0xCC)  # markers that do not give the size, though their numbers lie among those that do


def check_frame(frame: bytes, pixels: StoredPixels) -> None:
    """Raises `Unusable` for a packed frame that is cut short, or has another size than the header says."""
    if pixels.syntax not in _KNOWN:
        raise Unusable(faults.UNDECODABLE)
    if pixels.syntax == RLELossless:
        _check_runs(frame, pixels)
        return
    if pixels.frame_bytes > max(_PACKED * len(frame), _SUSPICIOUS):
        raise Unusable(faults.too_few(pixels.rows, pixels.columns))
    if not frame.rstrip(b"\0").endswith(_END) or _size(frame, pixels) != (pixels.rows, pixels.columns):
        raise Unusable(faults.CUT_PIXELS)


def _check_runs(frame: bytes, pixels: StoredPixels) -> None:
    """Checks a frame packed as run lengths (PS3.5, annex G). Raises `Unusable` if it is damaged.

    There is one segment for each byte of a pixel, and each segment holds this byte of all pixels."""
    head = struct.unpack("<16L", frame[:64].ljust(64, b"\0"))
    starts = [*head[1 : pixels.bits_allocated // 8 + 1], len(frame)]
    if head[0] != len(starts) - 1 or starts[0] < 64 or starts != sorted(starts):
        raise Unusable(faults.CUT_PIXELS)
    wanted = pixels.rows * pixels.columns
    for start, stop in itertools.pairwise(starts):
        if wanted > _RUN * (stop - start) or not _unpacks_to(wanted, frame[start:stop]):
            raise Unusable(faults.CUT_PIXELS)


def _unpacks_to(wanted: int, segment: bytes) -> bool:
    place = count = 0
    while count < wanted and place < len(segment) - 1:
        run = segment[place]
        if run < 128:  # run + 1 bytes follow
            count += run + 1
            place += run + 2
        else:  # the next byte stands for 257 - run bytes; 128 means nothing
            count += 257 - run if run > 128 else 0
            place += 2 if run > 128 else 1
    return count == wanted and place <= len(segment) and not segment[place:].strip(b"\0")


def _size(frame: bytes, pixels: StoredPixels) -> tuple[int, int]:
    """The rows and columns that the packed frame itself names; (0, 0) if it names none."""
    if pixels.syntax in JPEG2000TransferSyntaxes:
        start = frame.find(_SIZ)
        right, bottom, left, top = (int.from_bytes(frame[start + at : start + at + 4], "big") for at in (8, 12, 16, 20))
        return bottom - top, right - left
    place = 2  # after the marker of the beginning
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
