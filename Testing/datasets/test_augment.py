"""Random changes of slices, which image and labels go through together; and one-hot targets."""

import numpy as np
import pytest
import torch

from training.slices.augment import Augmentation, LabelledSlice
from training.slices.dataset import one_hot


def test_augmentation_moves_image_and_labels_together():
    """A bright disc is its own label; wherever it lands, both must agree but for a thin rim."""
    j, i = np.mgrid[:64, :64]
    disc = torch.from_dlpack(((j - 30) ** 2 + (i - 34) ** 2 < 144).astype(np.float32))[None]
    changes = Augmentation(
        size=(48, 40), flips=("vertical", "horizontal"), rotation=20, scaling=0.25, shear=0.1, shift=0.1,
        gamma=(0.6, 1.6), gain=0.25, blur=0.5, noise=0.5,
    )  # fmt: skip
    transform = changes.transform()
    different = set()
    for seed in range(20):
        image, target, name = transform(LabelledSlice(0.2 + 0.6 * disc, disc.long(), "a"), seed)
        assert (image.shape, target.shape, name) == ((1, 48, 40), (1, 48, 40), "a")
        assert image.min() >= 0
        assert image.max() <= 1
        assert image[target == 1].mean() - image[target == 0].mean() > 0.2
        different.add(int(target.sum()))
    assert len(different) > 10


@pytest.mark.parametrize(
    ("changes", "turned"),
    [({"flips": ("vertical",)}, lambda x: x.flip(1)), ({"flips": ("horizontal",)}, lambda x: x.flip(2))],
)
def test_flips_turn_what_they_say(changes, turned):
    image = torch.arange(12.0).reshape(1, 3, 4) / 12
    transform = Augmentation(**changes).transform()
    results = [transform(LabelledSlice(image, (image > 0.5).long(), ""), seed) for seed in range(30)]
    as_it_is = [torch.equal(result.image, image) for result in results]
    assert 5 < sum(as_it_is) < 25
    for result, same in zip(results, as_it_is, strict=True):
        expected = image if same else turned(image)
        torch.testing.assert_close(result.image, expected)
        assert torch.equal(result.target, (expected > 0.5).long())


def test_without_changes_a_slice_stays_as_it_is():
    image = torch.rand(1, 5, 7)
    result = Augmentation().transform()(LabelledSlice(image, torch.ones(1, 5, 7).long(), ""), 3)
    assert torch.equal(result.image, image)


def test_one_hot_targets():
    target = torch.tensor([[[[0, 1], [2, 0]]]])
    assert one_hot(target, 1).tolist() == [[[[0, 1], [1, 0]]]]
    assert one_hot(target, 3)[0].argmax(0).tolist() == [[0, 1], [2, 0]]


def test_another_curve_of_tones_keeps_their_order():
    image = torch.linspace(0, 1, 64).reshape(1, 8, 8)
    transform = Augmentation(tones=1.0).transform()
    one, other = (
        transform(LabelledSlice(image, torch.zeros(1, 8, 8).long(), ""), seed).image.flatten() for seed in (1, 2)
    )
    for changed in (one, other):
        assert (changed.diff() >= 0).all()
        assert (changed - image.flatten()).abs().max() > 0.02
    assert not torch.equal(one, other)


def test_changing_slices_leaves_monai_as_it_was():
    from monai.data import get_track_meta

    before = get_track_meta()
    Augmentation(rotation=10).transform()(LabelledSlice(torch.rand(1, 8, 8), torch.ones(1, 8, 8).long(), ""), 1)
    assert get_track_meta() == before
