"""Pictures of what networks look at: of the sample case or a data set's, with room for everything that is written."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Code, Label
from AttnSegLib.models.card_file import CARD
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.results.pictures.overview import Overview, draw_slice_with_maps
from training import gallery

ANATOMY = Code("SCT", "123037004", "Anatomical Structure")


@pytest.fixture
def an_overview():
    """Slices that are flat."""
    voxels = np.arange(5 * 20 * 40, dtype=np.int16).reshape(5, 20, 40)
    labels = np.zeros(voxels.shape, np.uint8)
    labels[1:4, 5:15, 10:30] = 1
    stack = SliceStack.of(Volume(voxels, np.diag([1.0, 1.0, 3.0, 1.0])), Preprocessing("axial", window=(0, 4000)))
    coefficients = np.full(voxels.shape, 0.5, np.float16)
    maps = {"scale 4 step 2 position attention": coefficients, "the same,\nfrom the middle": coefficients}
    label = Label(1, "Organ", (255, 0, 0), ANATOMY, ANATOMY)
    return Overview("A model: a case", stack, labels, (label,), maps, labels)


def test_nothing_of_a_picture_is_cut_off(an_overview):
    tall = replace(an_overview, attention={**an_overview.attention, "four\nlines\nhigh\nhere": np.zeros((5, 20, 40))})
    for overview in (an_overview, tall):
        figure = draw_slice_with_maps(overview, 2)
        figure.draw_without_rendering()
        panels = figure.axes[: 1 + len(overview.attention)]
        assert [axes.get_title() for axes in panels] == ["segmentation", *overview.attention]
        page = figure.bbox
        boxes = [axes.title.get_window_extent() for axes in panels] + [figure.legends[0].get_window_extent()]
        assert all(page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
        assert all(page.x0 <= box.x0 and box.x1 <= page.x1 for box in boxes)
        heading = figure.texts[0].get_window_extent()
        assert not any(heading.overlaps(box) for box in boxes)


@pytest.mark.slow
def test_the_sample_case_and_the_first_test_case(a_model_folder, a_decathlon_task, tmp_path):
    card = json.loads((a_model_folder / CARD).read_text())
    card["training"] = {"dataset": {"name": "msd"}, "test_cases": ["case_2", "case_3"]}
    (a_model_folder / CARD).write_text(json.dumps(card))
    for folder, root in (("sample", []), ("msd", ["--root", str(a_decathlon_task)])):
        out = tmp_path / folder
        assert gallery.main([str(a_model_folder), *root, "--out", str(out)]) == 0
        with Image.open(out / "attention-tiny.png") as picture:
            assert picture.mode == "P"


@pytest.mark.parametrize("other", [{"organ": "spleen"}, {"organ": "atrium"}, {"modality": "CT"}])
def test_a_model_of_something_else_needs_its_data_set(other, a_model_folder, tmp_path, capsys):
    card = json.loads((a_model_folder / CARD).read_text())
    (a_model_folder / CARD).write_text(json.dumps(card | other))
    assert gallery.main([str(a_model_folder), "--out", str(tmp_path / "out")]) == 2
    assert "has no sample case; give the folder of its data set by --root" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
