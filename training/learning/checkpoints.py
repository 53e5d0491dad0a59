"""Writes checkpoints so that a full disk or a power failure can't damage them."""

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
    """Writes a new checkpoint beside the old one and then replaces it, so that there is always a complete one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:  # noqa: ARG002
        """Write a checkpoint. Raises `InputError` if it can't be written, as on a full disk."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with whole_file(path) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # torch turns an OSError into a RuntimeError
            old = "the one before it was kept" if path.is_file() else "there is none yet"
            reason = getattr(error, "strerror", None) or "the disk may be full"
            raise InputError(f"The checkpoint '{path.name}' can't be written ({reason}); {old}.") from error


class _Kept(ModelCheckpoint):
    """A checkpoint callback that still finds the best checkpoint after the folder of the run was moved."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here, there = str(self.dirpath), str(state_dict["dirpath"])
        moved = {key: value.replace(there, here) for key, value in state_dict.items() if isinstance(value, str)}
        best = {path.replace(there, here): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(state_dict | moved | {"best_k_models": best})


def checkpoint_callbacks(out: Path, recipe: Recipe) -> list[Callback]:
    """Callbacks that write `last.ckpt` after every epoch, and `best.ckpt` if the recipe selects the best."""
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
    return [best, last]  # in this order, last.ckpt also knows which one was the best
