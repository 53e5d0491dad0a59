"""What is drawn of one slice, and the colours of a map."""

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.results.pictures.map_colours import MapColours
from AttnSegLib.results.pictures.slice_drawing import (
    OPACITY,
    draw_image,
    draw_map,
    draw_orientation,
    draw_outlines,
    scale_over_grey,
    slice_position,
)


def stack_of(voxels, affine, plane="axial"):
    return SliceStack.of(Volume(voxels, affine), Preprocessing(plane, window=(0, 1000)))


@pytest.fixture
def axes():
    return Figure().subplots()


@pytest.fixture
def a_ramp():
    """Brighter from column to column, with coefficients that rise from row to row."""
    voxels = np.tile(np.linspace(0, 1000, 20).astype(np.int16), (4, 20, 1))
    coefficients = np.tile(np.linspace(0.1, 0.3, 20)[:, None], (4, 1, 20)).astype(np.float16)
    return stack_of(voxels, np.diag([1.0, 1.0, 3.0, 1.0])), coefficients


def test_slices_hang_as_radiologists_expect(axes):
    """Superior or anterior up, the patient's right on the left."""
    draw_image(axes, stack_of(np.zeros((4, 20, 20), np.int16), np.diag([1.0, 1.0, 3.0, 1.0])), 1)
    assert axes.get_xlim() == (20, 0)
    assert axes.get_ylim() == (0, 20)
    [image] = axes.get_images()
    assert image.get_extent() == [0, 20, 0, 20]
    assert image.origin == "lower"


@pytest.mark.parametrize(("plane", "letters"), [("axial", "RLAP"), ("sagittal", "APSI"), ("coronal", "RLSI")])
def test_the_letters_of_the_borders(axes, plane, letters):
    draw_orientation(axes, stack_of(np.zeros((4, 5, 6), np.int16), np.eye(4), plane))
    assert "".join(text.get_text() for text in axes.texts) == letters
    left, right, upper, lower = (text.get_position() for text in axes.texts)
    assert left[0] < 0.1 < 0.9 < right[0]
    assert lower[1] < 0.1 < 0.9 < upper[1]


@pytest.mark.parametrize(
    ("plane", "number", "place"), [("axial", 0, "S 10 mm"), ("axial", 3, "S 16 mm"), ("sagittal", 0, "L 50 mm")]
)
def test_positions_are_the_patients(plane, number, place):
    affine = np.diag([1.0, 1.0, -2.0, 1.0])
    affine[:3, 3] = (-50, 7, 16)
    assert slice_position(stack_of(np.zeros((4, 5, 6), np.int16), affine, plane), number) == place


@pytest.mark.parametrize("gamma", [None, -0.5])
def test_every_colour_of_a_map_is_in_its_bar(axes, a_ramp, gamma):
    stack, coefficients = a_ramp
    colours = MapColours.of(coefficients, gamma)
    draw_map(axes, stack, 1, coefficients, colours)
    [image] = axes.get_images()
    bar = scale_over_grey(colours, 256, 256).reshape(-1, 3)
    for pixel in np.asarray(image.get_array())[::5, ::5].reshape(-1, 3):
        assert np.abs(bar - pixel).max(axis=1).min() < 0.01


def test_bar_and_map_are_blended_alike():
    bar = scale_over_grey(MapColours(0, 1), 2, 2)
    brightest = np.array(colormaps["inferno"](1.0)[:3])
    np.testing.assert_allclose(bar[1, 0], OPACITY * brightest)
    np.testing.assert_allclose(bar[1, 1], OPACITY * brightest + 1 - OPACITY)


def test_outlines_have_a_dark_line_under_the_bright_one(axes, a_ramp):
    labels = np.zeros((20, 20), np.uint8)
    labels[5:10, 5:10] = 2
    draw_outlines(axes, a_ramp[0], labels, {1: "red", 2: "lime"})
    under, over = axes.collections
    assert under.get_linewidth()[0] > over.get_linewidth()[0]
    assert under.get_edgecolor()[0].tolist() == [0, 0, 0, 1]
    assert over.get_edgecolor()[0].tolist() == [0, 1, 0, 1]


def test_the_range_is_the_maps_own():
    values = np.linspace(0.2, 0.4, 1001, dtype=np.float16)
    values[:5] = 0
    colours = MapColours.of(values)
    assert (colours.low, colours.high) == (pytest.approx(0.204, abs=1e-3), pytest.approx(0.396, abs=1e-3))
    assert colours.shares(np.array([0.0, 0.3, 1.0])).tolist() == pytest.approx([0, 0.5, 1], abs=0.01)
    assert colours.ends == ("0.204", "0.396")


def test_a_map_that_is_the_same_everywhere_has_colours_too():
    colours = MapColours.of(np.full(10, 0.5, np.float16))
    assert colours.high > colours.low
    assert np.isfinite(colours.shares(np.array([0.5]))).all()


def test_small_coefficients_are_told_apart():
    colours = MapColours.of(np.linspace(1e-4, 3e-4, 101))
    assert colours.ends == ("0.000104", "0.000296")
    assert MapColours(0, 1).ends == ("0.00", "1.00")


def test_what_is_subtracted_is_cold():
    warm, cold = (MapColours.of(np.linspace(0, 0.2, 101, dtype=np.float16), gamma) for gamma in (0.3, -0.3))
    assert (warm.subtracted, cold.subtracted) == (False, True)
    assert (warm.ends, cold.ends) == (("0.004", "0.196"), ("-0.004", "-0.196"))
    for colours, sign in ((warm, 1), (cold, -1)):
        red, _, blue = np.moveaxis(scale_over_grey(colours)[16:48], -1, 0)
        assert (sign * (red - blue)).mean() > 0.1


def test_a_letter_is_white_wherever_it_comes_between_pixels():
    """Both lines of an L, in pictures that differ by a tenth of a pixel."""
    stack = stack_of(np.zeros((4, 5, 6), np.int16), np.eye(4))
    for tenth in range(10):
        figure = Figure(figsize=(1, 1), dpi=90)
        axes = figure.add_axes((0, 0, (80 + tenth / 10) / 90, 1), facecolor="grey", xticks=[], yticks=[])
        draw_orientation(axes, stack)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        is_white = np.asarray(canvas.buffer_rgba())[38:52, 68:79, 0] > 250
        assert is_white.sum(axis=0).max() >= 5
        assert is_white.sum(axis=1).max() >= 3
