"""Figures for reports. What they look like is for people to judge; here: what is drawn, how large, and where."""

from dataclasses import fields, replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from AttnSegLib.errors import InputError
from AttnSegLib.models.card import Code, Label
from training.scoring.figures import box_plots, convergence
from training.scoring.qualitative import QualitativePage, QualitativeRow, qualitative
from training.scoring.scores import Score

ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
RED = Label(1, "Red organ", (255, 0, 0), ANATOMY, ANATOMY)
BLUE = Label(2, "Blue organ", (0, 0, 255), ANATOMY, ANATOMY)
ZERO = {field.name: {"int": 0, "float": 0.0, "str": ""}[field.type] for field in fields(Score)}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were written."""
    figures, write = [], Figure.savefig

    def note(figure, *arguments, **options):
        figures.append(figure)
        write(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", note)
    return figures


@pytest.fixture
def some_scores():
    chance = np.random.default_rng(0)
    return [
        Score(**{**ZERO, "model": model, "label": label, "case": f"case_{number}", "dice": chance.uniform(0.7, 1)})
        for model in ("a network", "a network with quite a long name")
        for label in ("liver", "spleen")
        for number in range(10)
    ]


@pytest.fixture
def a_row():
    image = np.linspace(0, 1, 30 * 40).reshape(30, 40)
    truth = np.zeros((30, 40), np.uint8)
    truth[5:15, 10:20] = 1
    return QualitativeRow("case 1", image, truth, {"one": truth, "two": np.roll(truth, 4, 1)})


def pixels(path):
    return matplotlib.image.imread(path)[..., :3]


def visible(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def share_of(color, picture):
    """Of nearly pure red or blue."""
    others = [channel for channel in range(3) if channel != color]
    return ((picture[..., color] > 0.7) & (picture[..., others].max(axis=-1) < 0.35)).mean()


def test_box_plots_have_a_panel_a_metric_and_a_box_for_each_model_and_label(tmp_path, drawn, some_scores):
    box_plots(tmp_path / "a.png", some_scores, ["dice", "iou", "hd95_mm"])
    panels = visible(drawn[0])
    assert [axes.get_ylabel() for axes in panels] == ["Dice", "IoU", "HD95 (mm)"]
    assert [len(axes.patches) for axes in panels] == [4, 4, 4]
    assert sum(len(dots.get_offsets()) for dots in panels[0].collections) == 40
    assert [text.get_text() for text in panels[0].texts] == ["liver", "spleen"]
    picture = pixels(tmp_path / "a.png")
    expected = [150 * inches for inches in drawn[0].get_size_inches()[::-1]]
    np.testing.assert_allclose(picture.shape[:2], expected, atol=60)  # the margins are cut to what is there
    assert 0.01 < (picture.min(axis=-1) < 0.9).mean() < 0.9


def test_nothing_of_box_plots_is_cut_off(tmp_path, some_scores):
    box_plots(tmp_path / "a.png", some_scores, ["dice"])
    picture = pixels(tmp_path / "a.png")
    assert min(side.min() for side in (picture[0], picture[-1], picture[:, 0], picture[:, -1])) == 1


def test_undefined_scores_are_said_below_their_box(tmp_path, drawn, some_scores):
    scores = [replace(one, dice=float("nan")) if one.label == "liver" else one for one in some_scores[:20]]
    scores[10] = replace(scores[10], dice=float("nan"))
    box_plots(tmp_path / "a.png", scores, ["dice"])
    [axes] = visible(drawn[0])
    assert len(axes.patches) == 1
    assert [text.get_text() for text in axes.texts] == ["liver", "10 n/a", "spleen", "1 n/a"]


def test_convergence_has_a_line_a_run_in_both_panels(tmp_path, drawn):
    (tmp_path / "one.csv").write_text("epoch,step,loss,dice,skipped_steps\n0,9,0.9,,0\n1,19,0.5,,0\n1,19,,0.7,\n")
    (tmp_path / "two.csv").write_text("epoch,step,loss\n0,9,0.8\n0,9,0.7\n")
    convergence(tmp_path / "a.png", {"one": tmp_path / "one.csv", "two": tmp_path / "two.csv"})
    loss, dice = drawn[0].axes
    assert loss.get_yscale() == "log"
    assert [line.get_xydata().tolist() for line in loss.lines] == [[[1, 0.9], [2, 0.5]], [[1, 0.7]]]
    assert dice.lines[0].get_xydata().tolist() == [[2, 0.7]]
    [legend] = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", "two"]
    assert pixels(tmp_path / "a.png").std() > 0.02


def test_a_loss_below_0_is_shown_too(tmp_path, drawn):
    (tmp_path / "log.csv").write_text("epoch,loss,dice\n0,0.3,\n1,-0.5,\n")
    convergence(tmp_path / "a.png", {"run": tmp_path / "log.csv"})
    assert drawn[0].axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("text", [None, "time,value\n1,2\n", "epoch,loss\n1,high\n", "epoch,loss\n", "loss\n0.5\n"])
def test_what_is_no_log_of_a_training(tmp_path, text):
    if text is not None:
        (tmp_path / "log.csv").write_text(text)
    with pytest.raises(InputError, match=r"log\.csv"):
        convergence(tmp_path / "a.png", {"run": tmp_path / "log.csv"})


def test_a_page_has_the_image_the_truth_and_a_column_a_model(tmp_path, drawn, a_row):
    qualitative(tmp_path / "a.png", QualitativePage("Page", [a_row, replace(a_row, name="case 2")], [RED]))
    assert [axes.get_title() for axes in drawn[0].axes[:4]] == ["image", "truth", "one", "two"]
    assert [axes.get_ylabel() for axes in drawn[0].axes[::4]] == ["case 1", "case 2"]
    assert len(drawn[0].axes) == 8
    assert share_of(0, pixels(tmp_path / "a.png")) > 0.001


def test_outlines_have_the_colours_of_their_labels(tmp_path, a_row):
    qualitative(tmp_path / "a.png", QualitativePage("Page", [replace(a_row, truth=a_row.truth * 2)], [RED, BLUE]))
    picture = pixels(tmp_path / "a.png")
    without_legend = picture[: -len(picture) // 5]
    truth, models = np.array_split(without_legend, 2, axis=1)
    assert share_of(2, truth) > 0.001
    assert share_of(0, truth) == 0
    assert share_of(0, models) > 0.001
    assert share_of(2, models) == 0


@pytest.mark.parametrize(("aspect", "ratio"), [(1.0, 0.75), (2.0, 1.5), (0.5, 0.375)])
def test_pixels_have_their_physical_shape(tmp_path, drawn, a_row, aspect, ratio):
    qualitative(tmp_path / "a.png", QualitativePage("Page", [replace(a_row, aspect=aspect)], [RED]))
    for axes in drawn[0].axes:
        box = axes.get_window_extent()
        assert box.height / box.width == pytest.approx(ratio, rel=0.01)


def test_slices_hang_as_in_the_overview_and_outlines_lie_on_their_voxels(tmp_path, drawn, a_row):
    qualitative(tmp_path / "a.png", QualitativePage("Page", [replace(a_row, aspect=2.0)], [RED]))
    axes = drawn[0].axes[2]
    assert (axes.get_xlim(), axes.get_ylim()) == ((40, 0), (0, 60))
    corners = np.concatenate([path.vertices for path in axes.collections[0].get_paths()])
    assert corners.min(axis=0).tolist() == [10, 10]
    assert corners.max(axis=0).tolist() == [20, 30]


@pytest.mark.parametrize("found", [np.zeros((30, 40), np.uint8), np.ones((30, 40), np.uint8)])
def test_models_may_find_nothing_or_everything(tmp_path, drawn, a_row, found):
    qualitative(tmp_path / "a.png", QualitativePage("Page", [replace(a_row, outlines={"net": found})], [RED]))
    assert len(drawn[0].axes[2].collections) == 1 + found.any()


def test_what_cannot_be_drawn(tmp_path, a_row):
    with pytest.raises(InputError, match="needs a row"):
        qualitative(tmp_path / "a.png", QualitativePage("Page", [], [RED]))
    with pytest.raises(InputError, match="'case 1' has other models"):
        qualitative(tmp_path / "a.png", QualitativePage("Page", [a_row, replace(a_row, outlines={})], [RED]))
    with pytest.raises(InputError, match="of one size"):
        qualitative(tmp_path / "a.png", QualitativePage("Page", [replace(a_row, truth=a_row.truth[1:])], [RED]))
    with pytest.raises(InputError, match="need scores"):
        box_plots(tmp_path / "a.png", [], ["dice"])
    with pytest.raises(InputError, match="needs a run"):
        convergence(tmp_path / "a.png", {})
