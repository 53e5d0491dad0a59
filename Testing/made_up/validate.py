"""Validate checkpoints, in one of several processes: python validate.py PROCESSES ROOT CHECKPOINT ..."""

import sys
from pathlib import Path

from training.learning.module import SegmentationModule
from training.learning.recipe import read_checkpoint, recipe_of
from training.slices.module import SliceModule
from training.train import RunOptions, _trainer


def mean_dice(checkpoint, root, processes=1):
    """Over the validation cases of the checkpoint's run."""
    recipe = recipe_of(checkpoint)
    slices = SliceModule(recipe, root, checkpoint.with_name("slices"), workers=0)
    module = SegmentationModule(recipe.as_dict(), slices.parts, steps=1)
    module.load_state_dict(read_checkpoint(checkpoint)["state_dict"])
    options = RunOptions(accelerator="cpu", devices=processes)
    trainer = _trainer(recipe, checkpoint.with_name("validated"), options, callbacks=[])
    [metrics] = trainer.validate(module, datamodule=slices, verbose=False)
    return metrics["dice"] if trainer.is_global_zero else None


if __name__ == "__main__":
    for name in sys.argv[3:]:
        if (dice := mean_dice(Path(name), Path(sys.argv[2]), int(sys.argv[1]))) is not None:
            print("DICE", dice)
