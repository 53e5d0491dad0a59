"""How a network is trained: loss, optimiser, learning rate, and what of it the papers print."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from AttnSegLib.errors import InputError

_OPTIMISERS = ("adam", "adamw", "sgd")
_SCHEDULES = ("constant", "cosine", "one_cycle", "plateau", "poly")


@dataclass(frozen=True)
class Optimisation:
    """Settings of a training run.

    loss: a name of `losses.LOSSES`; alpha: of EC-CaM-UNet's Eq. 17, for "ec_cam" alone. foreground: share of the slices
    of an epoch in which there is a label; None takes them as they are. batch_size: slices per step on all processes
    together; accumulate: batches whose gradients are averaged for one step. optimiser: adamw, adam (weight decay as a
    part of the gradient), or sgd with momentum 0.9; beta2: of the first two. schedule of the learning rate: one_cycle
    (rises over the share `warm_up` of the steps, then falls), cosine, poly ((1 - t)^0.9), constant, or plateau (halved
    after 50 epochs in which the validation has not become better). ema: decay per step of a moving average of the
    weights, smaller in the first steps of a run (`averaging`), which is then what is validated and kept. clip: largest
    norm of the gradient. precision: as Lightning names it, or "auto": bf16-mixed where the device computes fast in
    bfloat16, else 32-true. validate_every: epochs between validations. select: the "best" checkpoint by validation, or
    the "last". minutes: time for the whole run, at the end of which the one_cycle is
    finished, however many of the epochs were done by then (`clock`).
    """

    loss: str
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    optimiser: str = "adamw"
    beta2: float = 0.999
    schedule: str = "one_cycle"
    warm_up: float = 0.05
    alpha: float | None = None
    foreground: float | None = None
    accumulate: int = 1
    ema: float | None = None
    clip: float | None = None
    precision: str = "32-true"
    validate_every: int = 10
    select: str = "last"
    seed: int = 0
    minutes: float | None = None

    def __post_init__(self) -> None:
        _one_of("optimiser", self.optimiser, _OPTIMISERS)
        _one_of("schedule", self.schedule, _SCHEDULES)
        _one_of("select", self.select, ("best", "last"))
        for name in ("epochs", "batch_size", "accumulate", "validate_every"):
            if getattr(self, name) < 1:
                raise InputError(f"The recipe's {name} is {getattr(self, name)}; it must be at least 1.")
        if self.foreground is not None and not 0 < self.foreground <= 1:
            raise InputError(f"The recipe's foreground is {self.foreground}; it must be more than 0 and at most 1.")
        if self.minutes is not None and (self.minutes <= 0 or self.schedule != "one_cycle" or self.select != "last"):
            raise InputError(
                "A run by minutes needs more than 0 of them, and schedule = 'one_cycle' and select = 'last' in the "
                "recipe's [optimisation]."
            )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"The recipe's seed is {self.seed}; it must be at least 0 and less than 2^32.")

    @property
    def chooses_by_validation(self) -> bool:
        """Whether the scores of validation cases decide what comes of the training."""
        return self.select == "best" or self.schedule == "plateau"

    def make_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of these parameters."""
        if self.optimiser == "sgd":
            return torch.optim.SGD(parameters, self.learning_rate, momentum=0.9, weight_decay=self.weight_decay)
        kind = torch.optim.AdamW if self.optimiser == "adamw" else torch.optim.Adam
        return kind(parameters, self.learning_rate, betas=(0.9, self.beta2), weight_decay=self.weight_decay)

    def make_schedule(self, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler | None:
        """What changes the learning rate after every step, of `steps` in all; None for "plateau"."""
        if self.schedule == "plateau":
            return None
        if self.schedule == "one_cycle":
            return OneCycleLR(optimizer, self.learning_rate, total_steps=steps + 1, pct_start=self.warm_up)
        factors = {
            "constant": lambda _step: 1.0,
            "cosine": lambda step: 0.5 + 0.5 * math.cos(math.pi * step / steps),
            "poly": lambda step: max(0.0, 1 - step / steps) ** 0.9,
        }
        return LambdaLR(optimizer, factors[self.schedule])

    def make_plateau(self, optimizer: torch.optim.Optimizer) -> ReduceLROnPlateau | None:
        """What changes the learning rate after every validation, by its mean Dice; only for "plateau"."""
        if self.schedule != "plateau":
            return None
        return ReduceLROnPlateau(
            optimizer, mode="max", factor=0.5, patience=max(0, 50 // self.validate_every - 1), threshold=0.0
        )


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"There is no {name} '{value}'; choose one of: {', '.join(choices)}.")
