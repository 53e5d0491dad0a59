"""Pictures of what networks look at: python -m training.gallery MODEL ... --out docs/images

For each model one picture: the slice of a test case with most of the organ in it, the segmentation and the manual
reference, and the model's maps; for self-attention also where a point in the middle of the organ looks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_label_map, read_volume
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.places import resource_folder
from AttnSegLib.results.pictures.overview import Overview, draw_slice_with_maps
from training.scoring.figures import save_small
from training.scoring.truth import truth_of
from training.slices.case import Labelled


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.gallery", description="Pictures of attention maps.")
    parser.add_argument("models", nargs="+", metavar="MODEL", help="ids of models")
    parser.add_argument("--root", type=Path, help="folder of their data set, for its first test case (default: sample)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    options = parser.parse_args(arguments)
    try:
        for model in options.models:
            spec = find_model(model)
            case, labelled = _case(spec, options.root)
            options.out.mkdir(parents=True, exist_ok=True)
            draw(spec, case, labelled, options.out / f"attention-{spec.id}.png")
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def draw(spec: ModelSpec, case: str, labelled: Labelled, path: Path) -> None:
    """Write the picture of one model. case: as the picture calls it."""
    predictor = SlicePredictor.from_model(spec)
    volume, reference = labelled
    stack = SliceStack.of(volume, predictor.preprocessing)
    number = int((stack.view(reference) > 0).sum(axis=(1, 2)).argmax())
    voxel = _middle(reference, stack.axes[0], stack.orientation.stored_index(number, reference.shape))
    prediction = predictor.predict_stack(stack, PredictionOptions(attention=spec.attention))
    maps, queries = dict(prediction.attention), {}
    for title in spec.attention:
        if title in spec.facts.queries:
            looked = predictor.predict_stack(stack, PredictionOptions(attention=(title,), query=voxel))
            slice_alone = np.take(looked.attention[title], [voxel[stack.axes[0]]], stack.axes[0])
            maps[f"{title},\nfrom the cross"] = np.broadcast_to(
                slice_alone, reference.shape
            )  # the others are not there
            queries[f"{title},\nfrom the cross"] = voxel
    influences = {title: known for title in maps if (known := spec.influence_of(title.partition(",\n")[0]))}
    case = f"{spec.title}: {case}"
    shown = Overview(case, stack, prediction.label_map, spec.labels, maps, reference, influences, queries)
    save_small(draw_slice_with_maps(shown, number), path)


def _case(spec: ModelSpec, root: Path | None) -> tuple[str, Labelled]:
    """Name and content of the model's first test case; without a data set, the sample case."""
    if root:
        truth = truth_of(spec, root)
        return truth.cases[0].id, truth.read(truth.cases[0])
    sample = resource_folder("Samples") / f"{spec.organ} {spec.modality}".lower().replace(" ", "_")
    if not sample.is_dir():
        raise InputError(f"Model '{spec.id}' has no sample case; give the folder of its data set by --root.")
    volume = read_volume(sample / "image.nrrd")
    return "sample case", Labelled(volume, read_label_map(sample / "labels.nrrd", volume))


def _middle(reference: np.ndarray, axis: int, index: int) -> tuple[int, int, int]:
    """The labelled voxel (k, j, i) of a slice that is nearest to the centre of its labels."""
    voxels = np.argwhere(reference > 0)
    voxels = voxels[voxels[:, axis] == index]
    k, j, i = voxels[np.linalg.norm(voxels - voxels.mean(axis=0), axis=1).argmin()]
    return int(k), int(j), int(i)


if __name__ == "__main__":
    raise SystemExit(main())
