"""Names of points: none over another name, over a point or beyond the axes."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from training.scoring.point_labels import Point, label_points


@pytest.fixture
def axes():
    return Figure(figsize=(8.5, 5.0), layout="constrained", dpi=150).subplots()


def points(count, spread):
    chance = np.random.default_rng(0)
    places = zip(chance.uniform(0.5, 0.5 + spread, count), chance.uniform(0.5, 0.5 + spread, count), strict=True)
    return [Point(f"network {number}", x, y, "black") for number, (x, y) in enumerate(places)]


def drawn(axes, some):
    """Boxes of the names, in pixels, after everything is laid out again."""
    axes.set(xscale="log", xlim=(0.4, 2), ylim=(0.4, 1.6))
    axes.plot([one.x for one in some], [one.y for one in some], "o", ms=7)
    label_points(axes.figure, axes, some)
    axes.figure.draw_without_rendering()
    return [text.get_window_extent() for text in axes.texts]


@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_all_can_be_read(axes, spread):
    some = points(25, spread)
    boxes = drawn(axes, some)
    assert [text.get_text() for text in axes.texts] == [one.name for one in some]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    centres = [axes.transData.transform((one.x, one.y)) for one in some]
    assert not any(box.contains(*centre) for box in boxes for centre in centres)
    assert all(Bbox.intersection(box, axes.bbox).bounds == pytest.approx(box.bounds) for box in boxes)


def test_a_name_stands_beside_its_point_and_has_a_line_where_it_does_not(axes):
    alone, *crowd = [Point("alone", 1.95, 1.5, "red"), *points(25, 0.1)]
    box, *_ = drawn(axes, [alone, *crowd])
    x, y = axes.transData.transform((alone.x, alone.y))
    assert abs((box.y0 + box.y1) / 2 - y) < 1
    assert abs(box.x1 - x) < 20  # at its left: there is no room at its right
    lines = axes.lines[1:]
    assert 0 < len(lines) < 25
    assert "red" not in {line.get_color() for line in lines}
    assert axes.get_xlim() == (0.4, 2)
