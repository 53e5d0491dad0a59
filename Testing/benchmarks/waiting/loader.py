"""Does training ever wait for slices? python -m Testing.benchmarks.waiting.loader

The slices that the loader delivers in a second, with the modern recipe's random changes, against those that a step of
ANU-Net (width 32, 256x256) consumes, and the memory of all processes after each epoch. Made-up volumes, one thread;
Linux only.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import SimpleITK as sitk
import torch

from training.learning.module import SegmentationModule
from training.learning.recipe import Recipe, read_recipe
from training.slices.module import SliceModule

CASES, SLICES, SIZE, BATCH, EPOCHS, WORKERS = 4, 60, 256, 8, 6, 2


def main() -> None:
    """Print rates and memory."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        slices = _slices(Path(folder))
        print(f"Loader, {WORKERS} workers, {SIZE}x{SIZE}, {len(slices.dataset)} slices an epoch")
        rates, memory = zip(*_epochs(slices), strict=True)
        step = _step_rate(slices)
    rate = statistics.median(rates)
    print(f"  slices a second                  {rate:8.1f} (epochs: {min(rates):.1f} to {max(rates):.1f})")
    print(f"  a step of ANU-Net width 32 takes {step:8.1f} a second: the loader is {rate / step:.0f} times as fast")
    print("  MB of all processes, by epoch    " + " ".join(f"{megabytes:8.0f}" for megabytes in memory))


def _slices(folder: Path) -> SliceModule:
    rng = np.random.default_rng(0)
    task = folder / "Task"
    for part in ("imagesTr", "labelsTr"):
        (task / part).mkdir(parents=True)
    for number in range(CASES):
        voxels = rng.integers(0, 1000, (SLICES, SIZE, SIZE)).astype(np.uint16)
        for part, array in (("imagesTr", voxels), ("labelsTr", (voxels > 900).astype(np.uint8))):
            sitk.WriteImage(sitk.GetImageFromArray(array), str(task / part / f"case_{number}.nii.gz"))
    slices = SliceModule(_recipe(), task, folder / "cache", WORKERS)
    slices.prepare_data()
    slices.setup("fit")
    slices.trainer = SimpleNamespace(  # type: ignore[assignment]  # what the loader asks of a trainer
        global_rank=0, world_size=1, current_epoch=0, strategy=SimpleNamespace(root_device=torch.device("cpu"))
    )
    return slices


def _recipe() -> Recipe:
    recipe = read_recipe(["modern/anunet", "modern/left_atrium-mr"])
    return replace(
        recipe.with_changes(batch_size=BATCH, precision="32-true"),
        options=recipe.options | {"width": 32},
        split=replace(recipe.split, test=()),
        preprocessing=replace(recipe.preprocessing, plane="axial", pixel_spacing=None),
        augmentation=replace(recipe.augmentation, size=(SIZE, SIZE)),
    )


def _epochs(slices: SliceModule) -> Iterator[tuple[float, float]]:
    """Slices a second and memory in MB, epoch by epoch; the first epoch starts the workers and is left out."""
    loader = slices.train_dataloader()
    for epoch in range(EPOCHS + 1):
        start, count = time.perf_counter(), 0
        for batch in loader:
            count += len(batch.image)
        if epoch:
            yield count / (time.perf_counter() - start), _memory()


def _step_rate(slices: SliceModule) -> float:
    module = SegmentationModule(slices.recipe.as_dict(), slices.parts, steps=10)
    optimizer = slices.recipe.optimisation.make_optimizer(module.parameters())
    module.log = lambda *_arguments, **_options: None  # type: ignore[method-assign]
    samples = [slices.dataset.plain(number) for number in range(2)]
    batch = torch.utils.data.default_collate(samples)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        optimizer.zero_grad()
        module.training_step(batch, 0).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return len(samples) / min(seconds)


def _memory() -> float:
    """Proportional set size of this process and its children, MB: what workers share counts once."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    total = 0
    for process in ("self", *children):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


if __name__ == "__main__":
    main()
