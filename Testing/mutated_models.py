"""Import and run damaged and hostile models by the hundred: python -m mutated_models --count 1000 (with Testing on the
path). As `mutated_inputs`: what was read is the label map of a small volume."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from made_up.model_mutations import model_mutations
from made_up.mutations import Mutation
from mutated_inputs import Trial, print_header, print_outcomes

from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.catalog import readable_models
from AttnSegLib.models.store import import_model, user_folder

MEGABYTES = 600  # a card may ask for slices of up to 8192 x 8192 pixels


def label_map(path: Path) -> np.ndarray:
    """Of a small volume, by a zipped model: it is imported, listed and run, as by `attnseg`, and deleted."""
    voxels = np.arange(3 * 32 * 32, dtype=np.int16).reshape(3, 32, 32) % 251
    volume = Volume(voxels, np.diag([1.0, 1.0, 4.0, 1.0]), "MR")
    try:
        spec = import_model(path, overwrite=True)
        [listed], damaged = readable_models_of_user()
        assert (listed.id, damaged) == (spec.id, []), damaged
        return SlicePredictor.from_model(spec, Compute("cpu")).predict(volume).label_map
    finally:
        shutil.rmtree(user_folder(), ignore_errors=True)


def readable_models_of_user() -> tuple[list, list[str]]:
    """As `readable_models`, without the bundled ones."""
    models, damaged = readable_models()
    return [model for model in models if model.folder.parent == user_folder()], damaged


def trial_of(whole: Mutation) -> Trial:
    """What comes of the model before it is changed."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / whole.name
        path.write_bytes(whole.content)
        os.environ["ATTNSEG_MODELS"] = str(Path(scratch) / "Models")
        return Trial(label_map(path), MEGABYTES, address_space=16, warm_up=(whole.name,))


def main() -> int:
    """Command line; returns how many outcomes are bad, at most 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="models in all (default: 1000)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = list(model_mutations(options.count, options.seed))
    print_header()
    return min(1, print_outcomes("models", found, trial_of(found[0])))


if __name__ == "__main__":
    raise SystemExit(main())
