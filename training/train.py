"""Train a recipe: python -m training.train training/recipes/NAME.toml --root DATA --out RUN"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader, get_worker_info

from AttnSegLib.errors import InputError
from AttnSegLib.preprocess import Preprocessing
from training import datasets
from training.augment import Augmentation
from training.case import Case, split
from training.module import SegmentationModule
from training.recipe import Recipe, read_recipe
from training.slices import SliceDataset


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description="Train a network by a recipe.")
    parser.add_argument("recipe", type=Path, help="a file of training/recipes/")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder for the log and the checkpoint last.ckpt")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's number")
    parser.add_argument("--workers", type=int, default=2, help="processes that augment slices (default: 2)")
    parser.add_argument("--validate-every", type=int, default=10, metavar="N", help="epochs between validations")
    options = parser.parse_args(arguments)
    try:
        recipe = read_recipe(options.recipe).with_changes(epochs=options.epochs)
        train(recipe, options.root, options.out, workers=options.workers, validate_every=options.validate_every)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def train(recipe: Recipe, root: Path, out: Path, *, workers: int = 2, validate_every: int = 10) -> Path:
    """Train and return the path of the checkpoint. It holds the moving average of the weights after the last epoch:
    validation chooses nothing."""
    lightning.seed_everything(recipe.optimisation.seed, workers=True, verbose=False)
    training, validation = split(list(datasets.cases(recipe.dataset, root)), recipe.validation)
    checkpoint = ModelCheckpoint(
        dirpath=out, filename="last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    trainer = lightning.Trainer(
        max_epochs=recipe.optimisation.epochs,
        precision=recipe.optimisation.precision,  # type: ignore[arg-type]  # a literal type of 20 strings
        gradient_clip_val=recipe.optimisation.clip,
        check_val_every_n_epoch=validate_every,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        logger=CSVLogger(out, name="", version=""),
        callbacks=[checkpoint, EMAWeightAveraging(decay=recipe.optimisation.ema)],
    )
    trainer.fit(
        SegmentationModule(recipe, validation),
        _slice_loader(training, recipe, workers),
        DataLoader(range(len(validation)), batch_size=None),  # type: ignore[arg-type]  # a range is map-style enough
    )
    return out / "last.ckpt"


def _slice_loader(cases: list[Case], recipe: Recipe, workers: int) -> DataLoader:
    preprocessing = Preprocessing(**recipe.preprocessing)
    augment = Augmentation(recipe.optimisation.crop)
    augment.reseed(recipe.optimisation.seed)
    dataset = SliceDataset(cases, preprocessing, len(recipe.card["labels"]), augment)
    return DataLoader(
        dataset,
        batch_size=recipe.optimisation.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_seed_worker,
        drop_last=len(dataset) > recipe.optimisation.batch_size,  # batch normalisation can't train on one slice
    )


def _seed_worker(_number: int) -> None:
    """Every worker needs its own sequence of random changes; torch has given each its own seed already."""
    dataset: Any = get_worker_info().dataset  # type: ignore[union-attr]  # this is a worker
    dataset.augment.reseed(torch.initial_seed() % 2**32)


if __name__ == "__main__":
    raise SystemExit(main())
