"""Shows how attention develops while a network learns, as ANU-Net's Fig. 12 does: maps of one case over the epochs, as
volumes and as one picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import lightning
import numpy as np
import SimpleITK as sitk
from lightning.pytorch.callbacks import Callback
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import from_image
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.results.segmentation_file import write_heat_map_file
from training.learning.module import SegmentationModule
from training.scoring.figures import save_small
from training.slices.cache import read_labelled
from training.slices.case import Case

_INCHES = 1.5
_MOST_COLUMNS = 10


class AttentionHistory(Callback):
    """Writes attention maps of one case after the first, after every `every`-th and after the last epoch.

    Each map of the recipe's card becomes `<map>/epoch_007.nrrd`, on the volume's grid. `attention.png` shows all epochs
    in one slice, the one with the largest area of labels. Maps come from the weights, not from their moving average.

    Args:
        folder: where to write.
        case: the case to follow.
        every: epochs between two maps.
    """

    def __init__(self, folder: Path, case: Case, every: int):
        self._folder, self._case, self._every = folder, case, every

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if not trainer.is_global_zero or not isinstance(module, SegmentationModule):
            return
        if epoch == 1 or epoch % self._every == 0 or epoch == trainer.max_epochs:
            self._keep(module, epoch)

    def _keep(self, module: SegmentationModule, epoch: int) -> None:
        titles = tuple(module.recipe.card["attention"])
        volume, label_map = read_labelled(self._case, module.recipe.dataset)
        predictor = SlicePredictor(module.network, module.recipe.preprocessing, Compute(device=str(module.device)))
        prediction = predictor.predict(volume, PredictionOptions(attention=titles))
        module.network.train()
        for title, coefficients in prediction.attention.items():
            path = self._folder / _plain(title) / f"epoch_{epoch:03d}.nrrd"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_heat_map_file(path, coefficients, volume.affine)
        write_strip(self._folder, titles, prediction.stack, label_map)


def find_case(cases: Sequence[Case], case_id: str) -> Case:
    """The case with an id. Raises `InputError` if there is none."""
    for case in cases:
        if case.id == case_id:
            return case
    raise InputError(f"The data set has no case '{case_id}' to follow the attention of.")


def write_strip(folder: Path, titles: Sequence[str], stack: SliceStack, label_map: np.ndarray) -> None:
    """Write attention.png from the maps in a folder: a row for each map, with the image, then the map at each epoch.

    Args:
        folder: where the maps are, and the picture goes.
        titles: of the maps.
        stack: the slices of the case.
        label_map: of the case, (D, H, W), drawn as an outline.
    """
    number = int((stack.view(label_map) > 0).sum(axis=(1, 2)).argmax())
    kept = {title: _chosen(sorted((folder / _plain(title)).glob("epoch_*.nrrd"))) for title in titles}
    columns = 1 + max(len(paths) for paths in kept.values())
    figure = Figure(figsize=(_INCHES * columns + 0.6, _INCHES * len(titles) + 0.6), layout="constrained", dpi=130)
    grid = figure.subplots(len(titles), columns, squeeze=False)
    height, width = (stack.volume.spacing[2 - axis] for axis in stack.axes[1:])
    for line, (title, paths) in zip(grid, kept.items(), strict=True):
        image = stack.view(stack.volume.voxels)[number]
        _show(
            line[0], image, height / width, cmap="gray", vmin=np.percentile(image, 0.5), vmax=np.percentile(image, 99.5)
        )
        line[0].contour(stack.view(label_map)[number] > 0, levels=[0.5], colors="#35c4ff", linewidths=0.8)
        line[0].set_ylabel(title.replace(" attention", "\nattention"), fontsize=7)
        for axes, path in zip(line[1:], paths, strict=False):
            coefficients = stack.view(from_image(sitk.ReadImage(str(path))).voxels)[number]
            _show(axes, coefficients, height / width, cmap="inferno", vmin=0, vmax=1)
            axes.set_title(f"epoch {int(path.stem.split('_')[1])}", fontsize=8)
    figure.colorbar(ScalarMappable(Normalize(0, 1), "inferno"), ax=grid, label="coefficient", fraction=0.01, pad=0.005)
    save_small(figure, folder / "attention.png")


def _show(axes: Axes, pixels: np.ndarray, aspect: float, **looks: object) -> None:
    """Draw a slice as radiologists see it: the first row at the bottom, the first column at the right."""
    axes.imshow(pixels, origin="lower", aspect=aspect, **looks)  # type: ignore[arg-type]  # options of imshow
    axes.invert_xaxis()
    axes.set(xticks=[], yticks=[])


def _chosen(paths: list[Path]) -> list[Path]:
    """Some of the files, evenly spread, with the first and the last: as many as fit into a row."""
    if len(paths) < _MOST_COLUMNS:
        return paths
    return [paths[int(number)] for number in np.linspace(0, len(paths) - 1, _MOST_COLUMNS - 1).round()]


def _plain(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", title)
