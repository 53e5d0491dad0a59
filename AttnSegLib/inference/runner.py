"""A network on a device, in the form in which it runs best there."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from AttnSegLib.errors import InputError
from AttnSegLib.inference.cost import Load, lanes_and_size
from AttnSegLib.inference.device import Compute, describe_device, place_of
from AttnSegLib.inference.folding import folded, set_precision
from AttnSegLib.networks.output import SegmentationOutput

# How torch and the libraries below it say it where they raise a plain RuntimeError.
_OUT_OF_MEMORY = (
    "can't allocate memory",  # CPU
    "out of memory",  # MPS, and CUDA itself
    "bad_alloc",  # C++
    "could not create a primitive",  # oneDNN
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "nable to find an engine",  # cuDNN: none that fits; with and without a capital letter
)


class Runner:
    """Runs batches of slices; goes on with smaller ones, then with the CPU, when memory runs out, and in float32 when
    float16 is too small.

    network: a folded copy of the given one, which stays as it is. bytes_per_pixel: what the network needs of memory, as
    its card says, so that batches fit; 0 if nobody knows.
    """

    def __init__(self, network: nn.Module, compute: Compute, bytes_per_pixel: float = 0.0):
        self._compute = compute
        self._bytes_per_pixel = bytes_per_pixel
        self._most: int | None = None  # slices at once, since memory ran out
        self._overflowed = False
        self.device = compute.resolve_device()
        self.network = folded(network).to(self.device)
        self._take(compute.resolve_dtype(self.device))

    def name(self, engine: str = "", dtype: torch.dtype | None = None) -> str:
        """Device, number format and engine in words. dtype: that of the engine; None for that of torch."""
        return describe_device(self.device, dtype or self.dtype, engine)

    def lanes(self, slices: int, pixels: int, views: int = 1) -> tuple[int, int]:
        """How to run slices: the number of batches side by side, see `lanes`, and the number of slices in a batch.

        Args:
            slices: their number.
            pixels: of one slice, as the network sees it.
            views: how often the network sees each slice.
        """
        load = Load(slices, pixels, views, self._bytes_per_pixel)
        return lanes_and_size(place_of(self.device), load, self._most or self._compute.batch_size)

    @torch.inference_mode()
    def run(self, slices: Tensor) -> SegmentationOutput:
        """Slices (n, C, H, W) on the device, through the network."""
        mixed = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype if mixed else None, enabled=mixed):
            output: SegmentationOutput = self.network(slices.contiguous(memory_format=torch.channels_last))
        return output

    def overflows(self, expected_error: Tensor) -> bool:
        """Whether float16 is too small for what the network computes, since the error (n,) of a slice is NaN. `shrink`
        then goes on in float32."""
        self._overflowed |= self.dtype == torch.float16 and bool(expected_error.isnan().any())
        return self._overflowed

    def _take(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        set_precision(self.network, dtype)

    def shrink(self, slices: int) -> str:
        """Go on in another way, after memory ran out for this many slices at once: run half as many, or if it was one,
        go on with the CPU. After an overflow, go on in float32.

        Returns the sentence that tells the user. Raises `InputError` if nothing is left to try.
        """
        torch.cuda.empty_cache()
        if self._overflowed:
            self._overflowed = False
            self._take(torch.float32)
            return "The network's numbers are too large for float16; went on in float32."
        most = min(slices, self._most or slices)
        if most > 1:
            self._most = most // 2
            return f"The device ran out of memory; went on with {self._most} slice(s) at once."
        if self.device.type == "cpu":
            raise InputError("There is not enough memory for a single slice; close other programs and try again.")
        self.device = torch.device("cpu")
        self.network.to(self.device)
        self._take(self._compute.resolve_dtype(self.device))
        return "The device ran out of memory for a single slice; went on with the CPU, which is slower."


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Whether this is how a device says that memory has run out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _OUT_OF_MEMORY)
