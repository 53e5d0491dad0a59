"""From volume to slices and back, on random grids."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from AttnSegLib.errors import InputError
from AttnSegLib.images.planes import PLANES
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.preprocessing import Preprocessing


def rotation(axis_angle):
    """Rodrigues' formula: 3x3 rotation about a vector by its length in radians."""
    angle = np.linalg.norm(axis_angle)
    if angle == 0:
        return np.eye(3)
    x, y, z = axis_angle / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


@st.composite
def volumes(draw):
    """Small volumes on random oblique, flipped, permuted grids."""
    shape = draw(st.tuples(*[st.integers(2, 9)] * 3))
    angles = np.array(draw(st.tuples(*[st.floats(-4, 4)] * 3)))
    spacing = np.array(draw(st.tuples(*[st.floats(0.3, 5)] * 3)))
    flips = np.array(draw(st.tuples(*[st.sampled_from([-1, 1])] * 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation(angles) * spacing * flips
    affine[:3, 3] = draw(st.tuples(*[st.floats(-500, 500)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return Volume(rng.integers(-1000, 1000, shape).astype(np.int16), affine)


def one_orientation_fits_best(affine):
    """Not so halfway between two anatomical axes: there either choice is right."""
    cosines = np.abs(affine[:3, :3]) / np.linalg.norm(affine[:3, :3], axis=0)
    fits = sorted(cosines[range(3), columns].sum() for columns in permutations(range(3)))
    return fits[-1] - fits[-2] > 1e-6


planes = st.sampled_from(["acquired", "axial", "coronal", "sagittal"])


@given(volumes(), planes)
def test_label_map_goes_out_and_comes_back_exactly(volume, plane):
    """At the volume's own resolution every voxel returns to where it was."""
    labels = (np.arange(volume.voxels.size) % 3).astype(np.uint8).reshape(volume.voxels.shape)
    stack = SliceStack.of(volume, Preprocessing(plane, window=(0, 1)))
    indices = list(range(len(stack)))
    targets = stack.targets(labels, indices, 2)
    returned = np.zeros_like(labels)
    stack.view(returned)[:] = stack.restore(targets[:, None].float())[:, 0].numpy()
    np.testing.assert_array_equal(returned, labels)


@given(volumes(), planes, st.floats(0.3, 5))
@settings(deadline=None)
def test_resampled_slices_cover_the_same_field_of_view(volume, plane, pixel_spacing):
    """A constant stays constant and a linear ramp keeps its middle, whatever the resolution: nothing shifts."""
    stack = SliceStack.of(volume, Preprocessing(plane, pixel_spacing=pixel_spacing, window=(0, 1)))
    height, width = stack.native_size
    ramp = torch.arange(width, dtype=torch.float32).expand(1, 1, height, width)
    small = torch.nn.functional.interpolate(
        ramp, stack.resampled_size, mode="bilinear", align_corners=False, antialias=True
    )
    padded = torch.zeros(1, 1, *stack.model_size)
    padded[..., : small.shape[-2], : small.shape[-1]] = small
    restored = stack.restore(padded)
    assert restored.shape == ramp.shape
    assert restored.mean().item() == pytest.approx((width - 1) / 2, abs=0.02 * width)
    assert all(n % 16 == 0 for n in stack.model_size)


@given(volumes(), planes, st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
@settings(deadline=None)
def test_slices_do_not_depend_on_how_the_file_stores_its_axes(volume, plane, order, flips):
    """The same patient stored with its axes permuted and reversed gives the same slices."""
    turned, affine = volume.voxels, volume.affine
    turned = turned.transpose(order)
    affine = affine[:, [*(2 - order[2 - column] for column in range(3)), 3]].copy()
    for axis, flip in enumerate(flips):
        if flip:
            column = 2 - axis
            affine[:3, 3] += affine[:3, column] * (turned.shape[axis] - 1)
            affine[:3, column] *= -1
            turned = np.flip(turned, axis)
    assume(one_orientation_fits_best(volume.affine))
    preprocessing = Preprocessing(plane, percentiles=(1, 99))
    one, other = SliceStack.of(volume, preprocessing), SliceStack.of(Volume(turned, affine), preprocessing)
    assert len(one) == len(other)
    indices = list(range(len(one)))
    torch.testing.assert_close(one.slices(indices), other.slices(indices), rtol=0, atol=0)


@pytest.fixture
def a_volume():
    """2 x 3 x 4 voxels counting up, axes towards right, anterior, superior; thickest along j."""
    return Volume(np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.diag([1.0, 3.0, 2.0, 1.0]))


def test_planes_take_the_axis_they_name(a_volume):
    def first_slice(plane):
        return SliceStack.of(a_volume, Preprocessing(plane, window=(0, 1))).view(a_volume.voxels)[0]

    np.testing.assert_array_equal(first_slice("axial"), a_volume.voxels[0])  # rows j (anterior), columns i (right)
    np.testing.assert_array_equal(first_slice("coronal"), a_volume.voxels[:, 0])  # rows k (superior), columns i
    np.testing.assert_array_equal(first_slice("sagittal"), a_volume.voxels[:, :, 0])  # rows k, columns j
    np.testing.assert_array_equal(first_slice("acquired"), a_volume.voxels[:, 0])  # j has the largest spacing


def test_equal_spacing_is_sliced_axially():
    volume = Volume(np.zeros((4, 5, 6)), np.diag([1.25, 1.25, 1.25, 1]))
    assert len(SliceStack.of(volume, Preprocessing("acquired", window=(0, 1)))) == 4


def test_reversed_axes_are_turned(a_volume):
    affine = a_volume.affine @ np.diag([-1.0, 1, 1, 1])
    stack = SliceStack.of(Volume(a_volume.voxels, affine), Preprocessing("axial", window=(0, 1)))
    np.testing.assert_array_equal(stack.view(a_volume.voxels), a_volume.voxels[:, :, ::-1])


def test_window_maps_to_0_and_1_and_clips(a_volume):
    stack = SliceStack.of(a_volume, Preprocessing("axial", window=(2, 10)))
    slices = stack.slices([0])
    assert slices.shape == (1, 1, 16, 16)
    np.testing.assert_allclose(slices[0, 0, :3, :4], np.clip((a_volume.voxels[0] - 2) / 8, 0, 1), atol=1e-7)
    assert slices[0, 0, 3:].sum() == 0
    assert slices[0, 0, :, 4:].sum() == 0


def test_a_spacing_that_is_not_in_mm_is_refused():
    """Micrometres: otherwise the refusal is one of memory."""
    scan = Volume(np.arange(2 * 64 * 32).reshape(2, 64, 32), np.diag([800.0, 500.0, 3000.0, 1.0]))
    with pytest.raises(InputError) as caught:
        _ = SliceStack.of(scan, Preprocessing("axial", pixel_spacing=2.0, window=(0, 1))).model_size
    assert str(caught.value) == "The spacing of 500 x 800 mm makes slices of 16000 x 12800 pixels; check it."
    assert SliceStack.of(scan, Preprocessing("axial", pixel_spacing=4.0, window=(0, 1))).model_size == (8000, 6400)


def test_percentiles_do_not_depend_on_offset_and_gain(a_volume):
    preprocessing = Preprocessing("axial", percentiles=(5, 95))
    other = Volume(a_volume.voxels * 7 + 300, a_volume.affine)
    torch.testing.assert_close(
        SliceStack.of(a_volume, preprocessing).slices([0, 1]), SliceStack.of(other, preprocessing).slices([0, 1])
    )


def test_a_constant_volume_becomes_zero():
    stack = SliceStack.of(
        Volume(np.full((3, 8, 8), 7, np.int16), np.eye(4)), Preprocessing("axial", percentiles=(0.5, 99.5))
    )
    assert not stack.prepare(*stack.read([0, 1, 2])).any()


def test_percentiles_of_a_nearly_constant_volume_fall_back_to_its_range():
    voxels = np.zeros((10, 10, 10))
    voxels[5, 5, 5] = 8
    assert SliceStack.of(Volume(voxels, np.eye(4)), Preprocessing("axial", percentiles=(1, 99))).intensity_range == (
        0,
        8,
    )


def test_resampling_knows_each_axis_own_spacing_and_shifts_nothing():
    """A linear image on pixels of 1 x 2 mm, seen at 1 mm and back: linear still, but for the rim."""
    k, j, i = np.mgrid[:2, :12, :10].astype(np.float32)
    volume = Volume(3 * j + 5 * i + 0 * k, np.diag([2.0, 1.0, 9.0, 1.0]))
    stack = SliceStack.of(volume, Preprocessing("axial", pixel_spacing=1.0, window=(0, 100), multiple=4))
    assert stack.resampled_size == (12, 20)
    seen = stack.slices([0])[0, 0]
    assert seen.shape == (12, 20)
    columns = (torch.arange(20) + 0.5) / 2 - 0.5  # where the middle of each new pixel lies in old ones
    expected = (3 * torch.arange(12.0)[:, None] + 5 * columns) / 100
    torch.testing.assert_close(seen[:, 1:-1], expected[:, 1:-1])
    returned = stack.restore(seen[None, None])[0, 0]
    np.testing.assert_allclose(returned[:, 1:-1] * 100, volume.voxels[0][:, 1:-1], atol=1e-3)


def test_targets_take_the_label_with_the_largest_share():
    label_map = np.zeros((2, 4, 4), np.uint8)
    label_map[0, :2, :2] = [[1, 1], [1, 0]]
    label_map[0, 2:, 2:] = [[2, 0], [0, 0]]
    stack = SliceStack.of(
        Volume(label_map, np.eye(4)), Preprocessing("axial", pixel_spacing=2, window=(0, 1), multiple=2)
    )
    assert stack.targets(label_map, [0], 2).tolist() == [[[1, 0], [0, 0]]]


def test_refuses_labels_that_the_model_does_not_know(a_volume):
    stack = SliceStack.of(a_volume, Preprocessing("axial", window=(0, 1)))
    with pytest.raises(InputError, match="holds 3"):
        stack.targets(np.full(a_volume.voxels.shape, 3, np.uint8), [0], 2)


def test_refuses_settings_that_make_no_sense():
    with pytest.raises(InputError, match="plane 'diagonal'"):
        Preprocessing("diagonal", window=(0, 1))
    with pytest.raises(InputError, match="either a window or percentiles"):
        Preprocessing("axial")
    with pytest.raises(InputError, match="either with its neighbours or several times"):
        Preprocessing("axial", window=(0, 1), channels=3, neighbours=1)
    with pytest.raises(InputError, match="neighbours -1"):
        Preprocessing("axial", window=(0, 1), neighbours=-1)


@pytest.mark.parametrize("indices", [[0, 1, 2, 3, 4], [3], [2, 3, 1, 4, 0]])
def test_neighbours_are_further_channels(indices):
    """In any order of slices; the first and the last are repeated."""
    volume = Volume(np.random.default_rng(0).random((5, 16, 16), np.float32), np.diag([1.0, 1.0, 3.0, 1.0]))
    single = SliceStack.of(volume, Preprocessing("axial", window=(0, 1))).slices(list(range(5)))[:, 0]
    seen = SliceStack.of(volume, Preprocessing("axial", window=(0, 1), neighbours=2)).slices(indices)
    assert seen.shape == (len(indices), 5, 16, 16)
    for index, channels in zip(indices, seen, strict=True):
        for step, channel in zip((-2, -1, 0, 1, 2), channels, strict=True):
            torch.testing.assert_close(channel, single[min(4, max(0, index + step))], rtol=0, atol=0)


def test_a_volume_of_one_slice_is_its_own_neighbour():
    volume = Volume(np.random.default_rng(0).random((1, 16, 16), np.float32), np.diag([1.0, 1.0, 3.0, 1.0]))
    seen = SliceStack.of(volume, Preprocessing("axial", window=(0, 1), neighbours=1)).slices([0])
    torch.testing.assert_close(seen, torch.from_dlpack(volume.voxels[None]).expand(1, 3, -1, -1))


@pytest.mark.parametrize("pixel_spacing", [None, 0.5, 1.5])
@pytest.mark.parametrize("voxel", [(3, 3, 3), (3, 4, 8), (2, 7, 5)])
def test_a_voxel_lies_where_the_network_sees_it(pixel_spacing, voxel):
    """On axes that are turned and flipped, in slices that are resampled and padded."""
    affine = np.array([[0, 0, -3.0, 3], [1.0, 0, 0, -7], [0, -1.5, 0, 50], [0, 0, 0, 1]])
    voxels = np.zeros((6, 11, 13), np.float32)
    voxels[voxel] = 1
    for plane in PLANES:
        chosen = Preprocessing(plane, pixel_spacing=pixel_spacing, window=(0, 1), multiple=32)
        stack = SliceStack.of(Volume(voxels, affine), chosen)
        number = stack.orientation.stored_index(voxel[stack.axes[0]], voxels.shape)
        seen = stack.slices([number])[0, 0].double()
        rows, columns = (torch.arange(n, dtype=torch.float64) + 0.5 for n in seen.shape)  # middles of pixels
        middle = [(seen.sum(dim=1) @ rows / seen.sum()).item(), (seen.sum(dim=0) @ columns / seen.sum()).item()]
        place = [share * n for share, n in zip(stack.place(voxel), stack.model_size, strict=True)]
        assert place == pytest.approx(middle, abs=0.25)


def test_resampled_sizes_are_rounded_and_padded_ones_hold_them():
    chosen = Preprocessing("axial", pixel_spacing=1.5, window=(0, 1), multiple=4)
    assert chosen.resampled_size((10, 11), (1.0, 1.0)) == (7, 7)
    assert chosen.resampled_size((1, 4), (0.1, 3.0)) == (1, 8)
    assert chosen.padded_size((7, 8)) == (8, 8)
