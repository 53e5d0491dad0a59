"""Validate a checkpoint, in one of several processes: python validate.py CHECKPOINT ROOT PROCESSES"""

import sys
from pathlib import Path

from training.learning.module import SegmentationModule
from training.learning.recipe import read_checkpoint, recipe_of
from training.slices.module import SliceModule
from training.train import RunOptions, _trainer

checkpoint, root, processes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
recipe = recipe_of(checkpoint)
slices = SliceModule(recipe, root, checkpoint.with_name("slices"), workers=0)
module = SegmentationModule(recipe.as_dict(), slices.parts, steps=1)
module.load_state_dict(read_checkpoint(checkpoint)["state_dict"])
trainer = _trainer(
    recipe, checkpoint.with_name("validated"), RunOptions(accelerator="cpu", devices=processes), callbacks=[]
)
[metrics] = trainer.validate(module, datamodule=slices, verbose=False)
if trainer.is_global_zero:
    print("DICE", metrics["dice"])
