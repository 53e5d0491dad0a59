"""Cut a small sample case out of a labelled one: python -m training.sample_case msd CASE --root DATA --out FOLDER"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import to_image
from training import datasets
from training.slices.case import Labelled


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.sample_case", description="Cut out a small sample case.")
    parser.add_argument("dataset", help="name of a reader in training/datasets/")
    parser.add_argument("case", help="id of the case")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder for image.nrrd and labels.nrrd")
    parser.add_argument("--margin", type=float, default=45.0, help="mm kept around the labels (default: 45)")
    options = parser.parse_args(arguments)
    try:
        case = next((c for c in datasets.cases_of(options.dataset, options.root) if c.id == options.case), None)
        if case is None:
            raise InputError(f"The data set has no case '{options.case}'.")
        images = cut(case.read(), options.margin)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        sitk.WriteImage(image, str(options.out / f"{name}.nrrd"), useCompression=True, compressionLevel=9)
    return 0


def cut(case: Labelled, margin: float) -> dict[str, sitk.Image]:
    """Image and labels inside the labels' bounding box plus a margin in mm. Raises `InputError` without labels."""
    if not case.label_map.any():
        raise InputError("The case has no labels to cut around; choose another one.")
    box = []
    for axis, spacing in enumerate(reversed(case.volume.spacing)):
        others = tuple({0, 1, 2} - {axis})
        filled = np.flatnonzero(case.label_map.any(axis=others))
        pixels = round(margin / spacing)
        box.append(slice(max(0, int(filled[0]) - pixels), int(filled[-1]) + pixels + 1))
    affine = case.volume.affine.copy()
    corner = [part.start for part in reversed(box)]
    affine[:3, 3] = (affine @ [*corner, 1])[:3]
    return {
        "image": to_image(case.volume.voxels[tuple(box)], affine),
        "labels": to_image(case.label_map[tuple(box)], affine),
    }


if __name__ == "__main__":
    raise SystemExit(main())
