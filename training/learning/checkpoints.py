"""Checkpoints that a full disk or a lost power supply can't spoil."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from AttnSegLib.errors import InputError
from AttnSegLib.unfinished import whole_file
from training.learning.recipe import Recipe


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes beside the old checkpoint and then puts the new one in its place: there is always a whole one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:  # noqa: ARG002
        """Raises `InputError` if the disk is full."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with whole_file(path) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # torch's writer turns the first into the second
            old = "the one before it was kept" if path.is_file() else "there is none yet"
            reason = getattr(error, "strerror", None) or "the disk may be full"
            raise InputError(f"The checkpoint '{path.name}' can't be written ({reason}); {old}.") from error


class _Kept(ModelCheckpoint):
    """A checkpoint callback that still knows its best one after the run's folder was moved."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here, there = str(self.dirpath), str(state_dict["dirpath"])
        moved = {key: value.replace(there, here) for key, value in state_dict.items() if isinstance(value, str)}
        best = {path.replace(there, here): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(state_dict | moved | {"best_k_models": best})


def checkpoint_callbacks(out: Path, recipe: Recipe) -> list[Callback]:
    """`last.ckpt` after every epoch, and `best.ckpt` where the recipe chooses by validation."""
    last = _Kept(
        dirpath=out, filename="last", save_on_train_epoch_end=True, enable_version_counter=False, every_n_epochs=1
    )
    if recipe.optimisation.select == "last":
        return [last]
    best = _Kept(
        dirpath=out,
        filename="best",
        monitor="dice",
        mode="max",
        every_n_epochs=recipe.optimisation.validate_every,
        enable_version_counter=False,
        save_on_train_epoch_end=False,
    )
    return [best, last]  # the last one also remembers what the best one was
