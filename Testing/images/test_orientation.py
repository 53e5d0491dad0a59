"""How slices lie in a volume, and boxes of voxels."""

import numpy as np
import pytest
from made_up.axis_orders import stored_in_all_orders, turned

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import Region, slice_orientation

TURNED = np.array(
    [[0, 0, -3.0, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]]
)  # k towards left, i anterior, j inferior


def test_the_largest_spacing_is_the_acquired_axis():
    orientation = slice_orientation(TURNED, "acquired")
    assert orientation.plane_name == "sagittal"
    assert orientation.axes == (0, 1, 2)  # slices along k; rows along j (superior), columns along i (anterior)
    assert orientation.flips == (True, True, False)
    assert orientation.stored_index(0, (4, 5, 6)) == 3


def test_a_region_in_the_view_is_the_region_in_the_volume():
    orientation = slice_orientation(TURNED, "acquired")
    array = np.zeros((4, 5, 6))
    region = Region((0, 1, 2), (1, 3, 6))
    array[region.slices] = 1
    view = orientation.view(array)
    bounds = orientation.view_bounds(region, array.shape)
    assert view[bounds].all()
    assert view.sum() == view[bounds].size


def test_a_region_has_whole_slices():
    region = Region((1, 2, 3), (2, 4, 5))
    assert region.whole_slices(0, (6, 7, 8)) == Region((1, 0, 0), (2, 7, 8))
    assert region.whole_slices(2, (6, 7, 8)) == Region((0, 0, 3), (6, 7, 5))


@pytest.mark.parametrize(
    "region", [Region((0, 0, 0), (4, 5, 7)), Region((-1, 0, 0), (4, 5, 6)), Region((2, 0, 0), (2, 5, 6))]
)
def test_regions_that_are_none_are_refused(region):
    with pytest.raises(InputError, match="empty or leaves the volume"):
        region.check((4, 5, 6))


TIES = [turned(axis, degrees) for axis in np.eye(3) for degrees in (45, 135)]
TIES += [turned(axis, 60) for axis in ([1, 1, 1], [1, -1, 1], [-1, 1, 1])]  # 2/3, 2/3 and 1/3 in each row and column
TIES += [turned([1, 0, 0], 45) @ turned([0, 0, 1], 45), turned([0, 1, 0], 45) @ turned([0, 0, 1], 135)]


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal", "acquired"])
@pytest.mark.parametrize("spacing", [(1, 1, 1), (1, 1, 3), (1, 2, 3)])
def test_where_axes_fit_equally_well_anatomy_decides_and_not_the_file(plane, spacing):
    """Exactly oblique, and so but for the rounding of a header."""
    array, noise = np.arange(60).reshape(3, 4, 5), np.random.default_rng(0)
    for directions in TIES:
        views = []
        for stored, axes in stored_in_all_orders(array, directions * spacing):
            affine = np.eye(4)
            affine[:3, :3] = axes * (1 + 1e-7 * noise.normal(size=(3, 3)))
            views.append(slice_orientation(affine, plane).view(stored))
        assert all(np.array_equal(view, views[0]) for view in views)


def test_the_box_around_a_label_is_as_small_as_it_can_be():
    label_map = np.zeros((6, 7, 8), np.uint8)
    label_map[1, 2, 3] = label_map[4, 5, 3] = 2
    label_map[0, 0, 0] = 1
    assert Region.around(label_map, 2) == Region((1, 2, 3), (5, 6, 4))
    assert Region.around(label_map, 2, margin=2) == Region((0, 0, 1), (6, 7, 6))
    assert Region.around(label_map == 1, True) == Region((0, 0, 0), (1, 1, 1))
    assert Region.around(label_map, 3) is None
