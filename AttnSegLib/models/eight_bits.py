"""What a model's card says of computing its labels in 8 bits. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from AttnSegLib.models.influence import Share
from AttnSegLib.typed_json import Between

Low = Annotated[float, Between(-1e6, 0)]
High = Annotated[float, Between(1e-6, 1e6)]


@dataclass(frozen=True)
class EightBits:
    """How the convolutions of a network compute in 8 bits, and what that costs.

    Args:
        graph: SHA-256 of the kinds and shapes of its convolutions, in hexadecimal, see `engines.eight_bits`. A network
            with others can't use the ranges.
        ranges: for each convolution the least and the largest value of its input, as they were on slices of the
            training; None for one that stays in 32 bits.
        dice_in_32_bits, dice_in_8_bits: mean over labels and patients.
        meaning: on whom they were measured.
    """

    graph: str
    ranges: tuple[tuple[Low, High] | None, ...]
    dice_in_32_bits: Share
    dice_in_8_bits: Share
    meaning: str
