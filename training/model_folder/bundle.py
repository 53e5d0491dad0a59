"""Makes the metadata of a MONAI bundle from a model's card, for tools that read bundles."""

from __future__ import annotations

from typing import Any

import torch

from AttnSegLib import __version__
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.preprocessing import Preprocessing


def bundle_metadata(spec: ModelSpec) -> dict[str, Any]:
    """The fields of MONAI's `meta_schema_20240725`, as far as they make sense for a model that works on slices."""
    channels = {str(number): what for number, what in enumerate(_channels(spec.preprocessing))}
    classes = {"0": "background", **{str(label.value): label.name for label in spec.labels}}
    image = {"type": "image", "format": "magnitude", "modality": spec.modality, "num_channels": len(channels)}
    shape = {"spatial_shape": ["16*n", "16*n"], "dtype": "float32", "value_range": [0, 1], "is_patch_data": False}
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json",
        "version": __version__,
        "changelog": {__version__: "first"},
        "monai_version": "1.5",
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": "2.0",
        "name": spec.title,
        "task": f"Segmentation of the {spec.organ} in {spec.modality}, slice by slice",
        "description": f"{spec.title}. {spec.scores.summary}.",
        "authors": "AttnSeg",
        "copyright": spec.training.data,
        "data_source": spec.training.data,
        "references": [spec.reference],
        "intended_use": "research only, not for diagnosis",
        "network_data_format": {
            "inputs": {"image": image | shape | {"channel_def": channels}},
            "outputs": {
                "pred": {"type": "image", "format": "segmentation", "num_channels": spec.options.get("num_classes", 1)}
                | shape
                | {"channel_def": classes}
            },
        },
    }


def _channels(preprocessing: Preprocessing) -> list[str]:
    """What each channel of the input holds, in words."""
    if not preprocessing.neighbours:
        return ["image"] * preprocessing.channels
    steps = range(-preprocessing.neighbours, preprocessing.neighbours + 1)
    return [f"slice {step:+d}" if step else "slice" for step in steps]
