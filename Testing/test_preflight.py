"""Does a volume fit a model? By header and, without one, by intensities."""

import numpy as np
import pytest

from AttnSegLib import preflight
from AttnSegLib.catalog import CARD, load_card
from AttnSegLib.volume import Volume

MR_VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.mark.parametrize(
    ("voxels", "header", "model", "warning"),
    [
        (MR_VOXELS, "MR", "MR", None),
        (MR_VOXELS, "CT", "MR", "is CT by its DICOM header"),
        (MR_VOXELS - 1000, "MR", "MR", None),
        (MR_VOXELS, None, "MR", None),
        (MR_VOXELS - 1000, None, "MR", "looks like CT"),
        (MR_VOXELS, None, "CT", "does not look like CT"),
        (MR_VOXELS - 1000, None, "CT", None),
        (MR_VOXELS, "PT", "CT", "is PT by its DICOM header"),
    ],
)
def test_warns_of_another_modality_and_of_nothing_else(a_model_folder, voxels, header, model, warning):
    import dataclasses

    spec = dataclasses.replace(load_card(a_model_folder / CARD), modality=model)
    sentences = preflight.warnings(Volume(voxels, np.eye(4), header), spec)
    assert len(sentences) == (warning is not None)
    assert all(warning in sentence and f"trained on {model}" in sentence for sentence in sentences)
