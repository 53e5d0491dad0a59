"""How a network is trained: loss, optimiser, learning rate and the other settings of a recipe's [optimisation]."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from AttnSegLib.errors import InputError

_OPTIMISERS = ("adam", "adamw", "sgd")
_SCHEDULES = ("constant", "cosine", "one_cycle", "plateau", "poly")


@dataclass(frozen=True)
class Optimisation:
    """Settings of a training run.

    Args:
        loss: a name in `losses.LOSSES`.
        epochs: in each, as many slices are drawn as there are.
        batch_size: slices in a batch, on all processes together.
        learning_rate: the highest one.
        optimiser: "adamw", "adam" (weight decay is a part of the gradient) or "sgd" (with momentum 0.9).
        beta2: of adamw and adam.
        schedule: of the learning rate: "one_cycle" (rises, then falls), "cosine", "poly" ((1 - t)^0.9), "constant", or
            "plateau" (halved after 50 epochs without a better validation).
        warm_up: share of the steps in which one_cycle rises.
        alpha: in EC-CaM-UNet's Eq. 17, only for the loss "ec_cam".
        foreground: share of the slices in an epoch that have a label; None draws each slice once.
        accumulate: number of batches whose gradients are averaged for one step.
        ema: decay per step of a moving average of the weights, which is then validated and kept; see `averaging`.
        clip: largest norm of the gradient.
        precision: as Lightning names it, or "auto": bf16-mixed if the device is fast in bfloat16, else 32-true.
        validate_every: epochs between validations.
        select: the checkpoint to keep: "best" by validation, or "last".
        attention_off: share of the steps in which all attention is neutral, as where it is switched off.
        attention_dropout: share of the attention's coefficients that are dropped in each step; see `attention_dropout`.
        gamma_rate: the learning rate of the attention's learnt weights (gamma), as a multiple of the others'. If it is
            not 1, weight decay, which would pull them to 0, leaves them out.
        minutes: time for the whole run. one_cycle then ends with it, however many epochs are done; see `clock`.
        minutes_of: what the minutes are: of the "wall" clock, or of the "processor", which counts what this process
            computes, in all its threads, so that a busy machine trains as much as a quiet one.

    Raises:
        InputError: for settings that do not exist, or do not fit together.
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
    attention_off: float = 0.0
    attention_dropout: float = 0.0
    gamma_rate: float = 1.0
    minutes: float | None = None
    minutes_of: str = "wall"

    def __post_init__(self) -> None:
        _one_of("optimiser", self.optimiser, _OPTIMISERS)
        _one_of("schedule", self.schedule, _SCHEDULES)
        _one_of("select", self.select, ("best", "last"))
        _one_of("minutes_of", self.minutes_of, ("wall", "processor"))
        for name in ("epochs", "batch_size", "accumulate", "validate_every"):
            if getattr(self, name) < 1:
                raise InputError(f"The recipe's {name} is {getattr(self, name)}; it must be at least 1.")
        if self.foreground is not None and not 0 < self.foreground <= 1:
            raise InputError(f"The recipe's foreground is {self.foreground}; it must be more than 0 and at most 1.")
        for name in ("attention_off", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"The recipe's {name} is {getattr(self, name)}; it must be at least 0, and below 1.")
        if not 0 < self.gamma_rate < math.inf:
            raise InputError(f"The recipe's gamma_rate is {self.gamma_rate}; it must be more than 0, such as 10.")
        if self.minutes is not None and (self.minutes <= 0 or self.schedule != "one_cycle" or self.select != "last"):
            raise InputError(
                "A run by minutes needs more than 0 of them, and schedule = 'one_cycle' and select = 'last' in the "
                "recipe's [optimisation]."
            )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"The recipe's seed is {self.seed}; it must be at least 0 and less than 2^32.")

    @property
    def chooses_by_validation(self) -> bool:
        """Whether the scores of validation cases change the result of the training."""
        return self.select == "best" or self.schedule == "plateau"

    def make_optimizer(
        self, parameters: Iterable[nn.Parameter], gammas: Iterable[nn.Parameter] = ()
    ) -> torch.optim.Optimizer:
        """The optimiser of these parameters. gammas: those among them for which gamma_rate is meant."""
        groups = self._groups(list(parameters), set(gammas))
        if self.optimiser == "sgd":
            return torch.optim.SGD(groups, self.learning_rate, momentum=0.9, weight_decay=self.weight_decay)
        kind = torch.optim.AdamW if self.optimiser == "adamw" else torch.optim.Adam
        return kind(groups, self.learning_rate, betas=(0.9, self.beta2), weight_decay=self.weight_decay)

    def _groups(self, parameters: list[nn.Parameter], gammas: set[nn.Parameter]) -> list[dict[str, Any]]:
        """The parameters in their order, which a checkpoint of the optimiser counts on."""
        if self.gamma_rate == 1:
            return [{"params": parameters}]
        own = {"lr": self.gamma_rate * self.learning_rate, "weight_decay": 0.0}
        return [
            {"params": [one for one in parameters if one not in gammas]},
            {"params": [one for one in parameters if one in gammas], **own},
        ]

    def make_schedule(self, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler | None:
        """The schedule that changes the learning rate after every step; None for "plateau". steps: of the whole run."""
        if self.schedule == "plateau":
            return None
        if self.schedule == "one_cycle":
            highest = [group["lr"] for group in optimizer.param_groups]
            return OneCycleLR(optimizer, highest, total_steps=steps + 1, pct_start=self.warm_up)
        factors = {
            "constant": lambda _step: 1.0,
            "cosine": lambda step: 0.5 + 0.5 * math.cos(math.pi * step / steps),
            "poly": lambda step: max(0.0, 1 - step / steps) ** 0.9,
        }
        return LambdaLR(optimizer, factors[self.schedule])

    def make_plateau(self, optimizer: torch.optim.Optimizer) -> ReduceLROnPlateau | None:
        """For "plateau", the schedule that changes the learning rate by the mean Dice of each validation; else None."""
        if self.schedule != "plateau":
            return None
        return ReduceLROnPlateau(
            optimizer, mode="max", factor=0.5, patience=max(0, 50 // self.validate_every - 1), threshold=0.0
        )


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"There is no {name} '{value}'; choose one of: {', '.join(choices)}.")
