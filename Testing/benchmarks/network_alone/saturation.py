"""Whether softmax attention says something on real slices: python -m Testing.benchmarks.network_alone.saturation

A softmax of large products is the identity or points at one place; of small ones it is the same everywhere. Measured on
slices of the sample case, at full width, on the first step of training: random weights, normalised by the batch itself.
Rows are the scales that the papers print, ours, and a further one to compare with; `*` is the default.

diagonal: mean coefficient of a place or channel for itself; largest: mean of the largest coefficient of a row;
entropy: of a row, as a share of what equal coefficients have. Above 0.99 they are called the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from AttnSegLib import networks
from AttnSegLib.images.volume import read_volume
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.places import resource_folder
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.attention import SelfAttention
from AttnSegLib.networks.papers import msdualguided, omeganet

SLICES, SIZE = [50, 60, 70, 80], 256


class Row(NamedTuple):
    """diagonal: None if a softmax is not square."""

    diagonal: float | None
    largest: float
    entropy: float

    @property
    def verdict(self) -> str:
        """In words."""
        if self.entropy > 0.99:
            return "the same everywhere"
        if self.largest < 0.9:
            return "says something"
        return "identity" if self.diagonal is not None and self.diagonal > 0.9 else "one place"


def main() -> None:
    """Print a table: the softmaxes of the papers, each at every scale."""
    torch.manual_seed(0)
    slices = real_slices()
    print(f"Softmax attention, {len(slices)} real slices of {SIZE}x{SIZE}, random weights at full width")
    print(f"  {'':47}{'diagonal':>10}{'largest':>9}{'entropy':>9}")
    for name, kinds in KINDS.items():
        network = networks.create(name).train()
        with _products(network, kinds) as rows, torch.no_grad():
            network(slices)
        for title, found in rows.items():
            row = _mean(found)
            diagonal = f"{'-':>10}" if row.diagonal is None else f"{row.diagonal:10.3f}"
            print(f"  {title:47}{diagonal}{row.largest:9.3f}{row.entropy:9.3f}  {row.verdict}")
    print()


def real_slices() -> Tensor:
    """(N, 1, SIZE, SIZE) of the sample case, enlarged to the size that the papers work with."""
    volume = read_volume(resource_folder("Samples") / "left_atrium_mr/image.nrrd")
    slices = SliceStack.of(volume, Preprocessing("acquired", percentiles=(0.5, 99.5))).slices(SLICES)
    return nn.functional.interpolate(slices, (SIZE, SIZE), mode="bilinear")


def _of_positions(inputs: tuple[Any, ...], _output: Tensor) -> dict[str, Tensor]:
    q, k = inputs[0], inputs[1]
    products, channels = q @ k.transpose(1, 2), q.shape[2]
    return {"1": products, "1/sqrt(C)": products * channels**-0.5, "16/C": 16 * products / channels}


def _of_dense_features(inputs: tuple[Any, ...], d: Tensor) -> dict[str, Tensor]:
    products = inputs[0].flatten(2).transpose(1, 2) @ d
    return {"1": products, "1/sqrt(C)": products * d.shape[1] ** -0.5}


def _gram(inputs: tuple[Any, ...]) -> Tensor:
    channels = inputs[0].flatten(2)
    return channels @ channels.transpose(1, 2)


def _of_channels(inputs: tuple[Any, ...], _output: Tensor) -> dict[str, Tensor]:
    gram = _gram(inputs)
    mean = gram / inputs[0][0, 0].numel()
    return {"sum": gram, "mean": mean, "mean sqrt(C)": mean * gram.shape[1] ** 0.5}


def _of_unlike_channels(inputs: tuple[Any, ...], _output: Tensor) -> dict[str, Tensor]:
    gram = _gram(inputs)
    unlike = gram.amax(dim=2, keepdim=True) - gram
    pixels = inputs[0][0, 0].numel()
    return {"sum": gram, "max - sum": unlike, "(max - sum)/sqrt(HW)": unlike * pixels**-0.5}


Products = Callable[[tuple[Any, ...], Tensor], dict[str, Tensor]]
# network: kind of module: its name here, the default scale, and how inputs and output make the products
KINDS: dict[str, dict[type[nn.Module], tuple[str, str, Products]]] = {
    "eccamunet": {SelfAttention: ("EC-CaM spatial", "16/C", _of_positions)},
    "omeganet": {
        omeganet.PooledFeatures: ("Omega DSPA", "1/sqrt(C)", _of_dense_features),
        omeganet.OmegaNetChannelAttention: ("Omega CA", "mean sqrt(C)", _of_channels),
    },
    "msdualguided": {
        SelfAttention: ("MS-Dual PAM", "1", _of_positions),
        msdualguided.MSDualGuidedChannelAttention: ("MS-Dual CAM", "max - sum", _of_unlike_channels),
    },
}


@contextmanager
def _products(
    network: nn.Module, kinds: dict[type[nn.Module], tuple[str, str, Products]]
) -> Iterator[dict[str, list[Row]]]:
    """Collects while the block lasts: a title to the rows of one module, or of those of all scales of a step."""
    rows: dict[str, list[Row]] = {}

    def listen(where: str, name: str, default: str, products: Products) -> Callable[..., None]:
        def hook(_module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            for scale, found in products(inputs, output).items():
                title = f"{name} {where}, scale {scale}{' *' if scale == default else ''}"
                rows.setdefault(title, []).append(_row(found))

        return hook

    handles = [
        module.register_forward_hook(listen(_where(path), *kinds[type(module)]))
        for path, module in network.named_modules()
        if type(module) in kinds
    ]
    try:
        yield rows
    finally:
        for handle in handles:
            handle.remove()


def _where(path: str) -> str:
    """Level or step of a module, by its place in the network."""
    part, number, *_ = path.split(".")
    if not number.isdigit():
        return part
    return f"step {int(number) + 1}" if part == "steps" else f"level {number}"


def _row(products: Tensor) -> Row:
    a = torch.softmax(products.float(), dim=2)
    square = a.shape[1] == a.shape[2]
    entropy = torch.special.entr(a).sum(dim=2).mean().item() / math.log(a.shape[2])
    diagonal = a.diagonal(dim1=1, dim2=2).mean().item() if square else None
    return Row(diagonal, a.amax(dim=2).mean().item(), entropy)


def _mean(rows: list[Row]) -> Row:
    diagonals = [row.diagonal for row in rows if row.diagonal is not None]
    diagonal = sum(diagonals) / len(diagonals) if diagonals else None
    return Row(diagonal, sum(row.largest for row in rows) / len(rows), sum(row.entropy for row in rows) / len(rows))


if __name__ == "__main__":
    main()
