"""The picture of a run. What it looks like is for people to judge; here: what is drawn where."""

from itertools import pairwise

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Code, Label
from AttnSegLib.models.influence import MapInfluence
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.results.pictures.overview import Overview, _choose_slices, draw_slice_with_maps, write_overview

ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
RED = Label(1, "Red organ", (255, 0, 0), ANATOMY, ANATOMY)


@pytest.fixture
def a_stack():
    voxels = np.full((9, 40, 30), 500, np.int16)
    voxels[:, :, :15] = 0
    return SliceStack.of(Volume(voxels, np.diag([1.0, 1.0, 3.0, 1.0])), Preprocessing("axial", window=(0, 1000)))


@pytest.fixture
def label_map():
    labels = np.zeros((9, 40, 30), np.uint8)
    labels[2:8, 10:25, 8:20] = 1
    return labels


def picture(path, overview):
    write_overview(path, overview)
    return matplotlib.image.imread(path)[..., :3]


def share_of_red(pixels):
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return ((red > 0.8) & (green < 0.3) & (blue < 0.3)).mean()


def test_shows_the_outline_in_the_labels_colour(tmp_path, a_stack, label_map):
    with_organ = picture(tmp_path / "a.png", Overview("With", a_stack, label_map, (RED,), {}))
    without = picture(tmp_path / "b.png", Overview("Without", a_stack, np.zeros_like(label_map), (RED,), {}))
    assert share_of_red(with_organ) > share_of_red(without) + 0.005


def test_attention_adds_a_row_a_map(tmp_path, a_stack, label_map):
    coefficients = np.linspace(0, 1, label_map.size, dtype=np.float16).reshape(label_map.shape)
    plain = picture(tmp_path / "a.png", Overview("Plain", a_stack, label_map, (RED,), {}))
    maps = {"gate 0,0": coefficients, "gate 0,1": coefficients}
    explained = picture(tmp_path / "b.png", Overview("Maps", a_stack, label_map, (RED,), maps))
    assert explained.shape[0] > 2 * plain.shape[0]


def test_dollars_in_the_text_of_a_card_are_no_formula(tmp_path, a_stack, label_map):
    """matplotlib would read what lies between two as TeX, and refuse this."""
    text = r"$\nothing{$"
    label = Label(1, text, (255, 0, 0), ANATOMY, ANATOMY)
    overview = Overview(text, a_stack, label_map, (label,), {text: np.zeros(label_map.shape, np.float16)})
    write_overview(tmp_path / "a.png", overview)
    draw_slice_with_maps(overview, 4).savefig(tmp_path / "b.png")
    assert (tmp_path / "b.png").is_file()


@pytest.mark.parametrize(
    ("filled", "chosen"),
    [
        ([], [1, 3, 4, 5, 7]),
        ([0], [0, 1, 2, 3, 4]),
        ([3], [1, 2, 3, 4, 5]),
        ([8], [4, 5, 6, 7, 8]),
        ([2, 6], [1, 2, 3, 5, 6]),
        ([2, 3, 4, 5, 6], [2, 3, 4, 5, 6]),
        ([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5]),
        ([1, 2, 3, 4, 5, 6, 7], [2, 3, 4, 5, 6]),
    ],
)
def test_each_slice_is_shown_once(filled, chosen):
    labels = np.zeros((9, 4, 4), np.uint8)
    labels[filled, 1, 1] = 1
    assert _choose_slices(labels) == chosen


def test_a_scan_of_few_slices_is_shown_whole():
    assert _choose_slices(np.zeros((3, 4, 4), np.uint8)) == [0, 1, 2]


@pytest.mark.parametrize("k_axis", [3.0, -3.0])
def test_slices_are_counted_as_stored(tmp_path, monkeypatch, k_axis):
    """From 0, whichever way round the network sees them: the outline is in the columns of the slices that hold it."""
    volume = Volume(np.arange(9 * 16, dtype=np.int16).reshape(9, 4, 4), np.diag([1.0, 1.0, k_axis, 1.0]))
    labels = np.zeros((9, 4, 4), np.uint8)
    labels[1:3, 1:3, 1:3] = 1
    stack = SliceStack.of(volume, Preprocessing("axial", window=(0, 1000)))
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_args, **_kwargs: drawn.append(figure))
    write_overview(tmp_path / "a.png", Overview("", stack, labels, (RED,), {}))
    shown = {axes.get_title(): axes for axes in drawn[0].axes if axes.get_visible()}
    side = "S" if k_axis > 0 else "I"
    assert list(shown) == [f"slice {n}\n{side if n else 'S'} {3 * n} mm" for n in range(5)]
    for title, axes in shown.items():
        index = int(title.split()[1])
        assert bool(len(axes.collections)) == (index in {1, 2})
        [image] = axes.get_images()
        np.testing.assert_allclose(image.get_array()[..., 0] * 1000, stack.volume.voxels[index], atol=1e-3)


@pytest.mark.parametrize("filled", [[], [3], list(range(9))])
def test_any_number_of_segmented_slices_can_be_drawn(tmp_path, a_stack, filled):
    labels = np.zeros((9, 40, 30), np.uint8)
    labels[filled, 10:25, 8:20] = 1
    assert picture(tmp_path / "a.png", Overview("Any", a_stack, labels, (RED,), {}, labels)).size > 0


def test_the_reference_of_organs_that_touch_has_a_line_between_them(tmp_path, a_stack, label_map):
    two = label_map.copy()
    two[:, 17:] *= 2  # the same outer border
    nothing = np.zeros_like(label_map)
    shares = []
    for name, reference in (("one.png", label_map), ("two.png", two)):
        pixels = picture(tmp_path / name, Overview("Organs", a_stack, nothing, (RED,), {}, reference))
        shares.append(((pixels[..., 0] < 0.4) & (pixels[..., 2] > 0.8)).mean())
    assert shares[1] > 1.1 * shares[0] > 0


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were to be saved."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_args, **_kwargs: figures.append(figure))
    return figures


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_orientation_and_scale_are_written_into_the_picture(tmp_path, a_stack, label_map, drawn):
    write_overview(tmp_path / "a.png", Overview("", a_stack, label_map, (RED,), {}))
    assert texts(drawn[0].axes[0]) == ["R", "L", "A", "P", "10 mm"]
    assert texts(drawn[0].axes[1]) == ["R", "L", "A", "P"]


@pytest.mark.slow
def test_each_map_has_a_bar_with_its_own_range(tmp_path, a_stack, label_map, drawn):
    faint = np.linspace(0.03, 0.15, label_map.size, dtype=np.float16).reshape(label_map.shape)
    maps, known = {"faint": faint, "step": faint}, {"step": MapInfluence("step", 0.004, None, 0.0, None, gamma=-0.4)}
    write_overview(tmp_path / "a.png", Overview("", a_stack, label_map, (RED,), maps, influences=known))
    bars = [axes for axes in drawn[0].axes if axes.get_title() in ("coefficient", "subtracted")]
    printed = [[tick.get_text() for tick in bar.get_yticklabels()] for bar in bars]
    told = "step, influence 0.004: changes next to nothing; gamma -0.40: subtracted"
    assert told in [axes.get_ylabel().replace("\n", " ") for axes in drawn[0].axes]
    assert printed == [["0.032", "0.148"], ["-0.032", "-0.148"]]


@pytest.mark.parametrize(("height", "width"), [(20, 80), (12, 80), (10, 100)])
def test_names_of_rows_do_not_overlap_where_slices_are_flat(tmp_path, drawn, height, width):
    flat = np.arange(9 * height * width, dtype=np.int16).reshape(9, height, width)
    stack = SliceStack.of(Volume(flat, np.eye(4)), Preprocessing("axial", window=(0, 1000)))
    maps = dict.fromkeys(["scale 2 step 2 position attention", "scale 1 step 2"], flat.astype(np.float16))
    known = {title: MapInfluence(title, 0.004, None, 0.0, None, gamma=-0.4) for title in maps}
    overview = Overview("", stack, np.zeros(flat.shape, np.uint8), (RED,), maps, influences=known)
    write_overview(tmp_path / "a.png", overview)
    drawn[0].draw_without_rendering()
    names = [axes.yaxis.label.get_window_extent() for axes in drawn[0].axes if axes.get_ylabel()]
    assert len(names) == 3
    assert all(above.y0 > below.y1 for above, below in pairwise(names))


def test_a_query_is_drawn_in_its_slice_alone(a_stack, label_map):
    maps = {"looking": label_map.astype(np.float16)}
    shown = Overview("", a_stack, label_map, (RED,), maps, queries={"looking": (4, 12, 9)})
    crosses = []
    for number in (4, 5):
        axes = draw_slice_with_maps(shown, number).axes
        assert not [line for line in axes[0].lines if line.get_marker() == "+"]
        crosses.append([(*line.get_xdata(), *line.get_ydata()) for line in axes[1].lines if line.get_marker() == "+"])
    assert crosses == [[(9.5, 12.5)] * 2, []]
