"""Collections of bright balls in noise."""

import numpy as np

from AttnSegLib.collections.cases import NewCase, add_case, make_collection
from AttnSegLib.images.volume import Volume
from AttnSegLib.models.card import Code, Label
from made_up.balls import a_ball

THING = Code("SCT", "123037004", "Anatomical Structure")
BALL = Label(1, "Ball", (255, 0, 0), THING, Code("SCT", "2", "Ball"))
AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])


def a_collection(folder, count, modality="MR", labelled=()):
    """A collection of so many balls. labelled: which slices of the first ones count."""
    make_collection(folder, "Ball", modality, (BALL,))
    for seed in range(count):
        voxels, label_map = a_ball(seed)
        add_case(folder, NewCase(Volume(voxels, AFFINE), label_map, dict(enumerate(labelled)).get(seed)))
    return folder
