"""What a run costs: slices at once, memory, seconds. The engine plans by it, and pre-flight tells it. No torch.

The figures are explained in docs/decisions/0009-engine.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import slice_orientation
from AttnSegLib.images.volume import Volume
from AttnSegLib.models.card import NetworkFacts
from AttnSegLib.models.preprocessing import Preprocessing

VIEWS_WITH_FLIPS = 4  # a slice as it is, upside down, mirrored, and both
_PIXELS_IN_LANE = 2**17  # of a CPU: two slices of 256 x 256
_BYTES_BESIDE = 512e6  # what all slices beside the first may need on a CPU
_PIXELS_ON_GPU = 2**21  # 32 slices of 256 x 256
_HUNGRY = 4000.0  # bytes per pixel if nobody knows: more than any of the papers' networks needs
_FIRST_GUESS = {"cpu": 30.0, "cuda": 2000.0, "mps": 400.0}  # GMAC/s, until a run here has been measured


@dataclass(frozen=True)
class Place:
    """Where a network runs.

    Args:
        kind: "cpu", "cuda" or "mps".
        lanes: how many batches can be under way side by side.
        free_bytes: of a GPU's memory; None if nobody knows.
    """

    kind: str
    lanes: int = 1
    free_bytes: int | None = None


@dataclass(frozen=True)
class Load:
    """What a network is given to do.

    Args:
        slices: their number.
        pixels: of one slice, as the network sees it.
        views: how often the network sees each slice.
        bytes_per_pixel: what the network's activations need in float32; 0 if nobody knows.
        gmacs_per_megapixel: thousands of millions of multiply-accumulates for a million pixels; 0 if nobody knows.
    """

    slices: int
    pixels: int
    views: int = 1
    bytes_per_pixel: float = 0.0
    gmacs_per_megapixel: float = 0.0

    @classmethod
    def of(cls, volume: Volume, preprocessing: Preprocessing, facts: NetworkFacts, *, flips: bool = False) -> Load:
        """A whole volume. Raises `InputError` for a spacing that makes slices of an absurd size."""
        shape, axes = volume.voxels.shape, slice_orientation(volume.affine, preprocessing.plane).axes
        rows, columns = axes[1:]
        spacing = (volume.spacing[2 - rows], volume.spacing[2 - columns])
        height, width = preprocessing.padded_size(preprocessing.resampled_size((shape[rows], shape[columns]), spacing))
        views = VIEWS_WITH_FLIPS if flips else 1
        # MB per megapixel are bytes per pixel
        return cls(shape[axes[0]], height * width, views, facts.mb_per_megapixel, facts.gmacs_per_megapixel)

    @property
    def gmacs(self) -> float:
        """Multiply-accumulates in all, in thousands of millions."""
        return self.slices * self.views * self.pixels / 1e6 * self.gmacs_per_megapixel


def slices_at_once(place: Place, load: Load) -> int:
    """How many slices suit a place: on a GPU enough to keep it busy, if half of its free memory can hold them; on a
    CPU one or a few small ones for each lane, as long as memory for many lanes stays bounded."""
    if place.kind == "cpu":
        busy = max(1, _PIXELS_IN_LANE // load.pixels) * place.lanes
        return min(busy, 1 + int(_BYTES_BESIDE / ((load.bytes_per_pixel or _HUNGRY) * load.pixels)))
    busy = max(1, _PIXELS_ON_GPU // load.pixels)
    if place.free_bytes is not None and load.bytes_per_pixel:
        busy = min(busy, int(place.free_bytes / 2 / (load.bytes_per_pixel * load.pixels)))
    return max(1, busy)


def lanes_and_size(place: Place, load: Load, most: int | None = None) -> tuple[int, int]:
    """How many batches run side by side, and how many slices are in each; every slice is seen `load.views` times.

    Args:
        most: slices at once in all lanes, views counted; None takes what suits the place.

    Raises `InputError` if `most` is below 1.
    """
    if most is not None and most < 1:
        raise InputError(f"The batch size must be 1 slice or more, not {most}.")
    at_once = max(1, (most or slices_at_once(place, load)) // load.views)
    count = min(load.slices, at_once, place.lanes)
    return count, min(at_once // count, -(-load.slices // count))


def memory_bytes(place: Place, load: Load, most: int | None = None) -> float:
    """What the activations of all slices at once need in float32; see `lanes_and_size`."""
    count, size = lanes_and_size(place, load, most)
    return count * size * load.views * load.pixels * load.bytes_per_pixel


def seconds(place: Place, load: Load, gmacs_per_second: float | None = None) -> float:
    """How long a run takes. gmacs_per_second: what was measured; None takes a first guess."""
    return load.gmacs / (gmacs_per_second or _FIRST_GUESS.get(place.kind, _FIRST_GUESS["cpu"]))
