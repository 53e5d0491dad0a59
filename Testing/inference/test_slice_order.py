"""The order in which training draws slices."""

from collections import Counter

import numpy as np
import pytest

from AttnSegLib.errors import InputError
from training.slices.dataset import Pool, Share, ShuffledSlices


def draws(count=10, batch_size=4, epoch=0, share=None, seed=0):
    return list(ShuffledSlices(Pool(np.zeros(count, bool)), batch_size, seed, lambda: epoch, share or Share()))


def test_an_epoch_draws_every_slice_at_most_once():
    assert len(draws()) == 8
    assert max(Counter(draw.number for draw in draws()).values()) == 1
    assert sorted(draw.number for draw in draws(3)) == [0, 1, 2]  # fewer than a batch


def test_the_order_depends_on_seed_and_epoch_alone():
    assert draws() == draws()
    assert draws() != draws(epoch=1)
    assert draws() != draws(seed=1)


def test_processes_share_each_batch():
    shares = [draws(share=Share(rank, 2)) for rank in (0, 1)]
    whole = draws()
    for number in range(2):
        batch = whole[4 * number : 4 * number + 4]
        assert {draw for share in shares for draw in share[2 * number : 2 * number + 2]} == set(batch)
    with pytest.raises(InputError, match="4 slices can't be shared by 3"):
        draws(share=Share(0, 3))


@pytest.mark.parametrize(
    ("filled", "foreground", "expected"),
    [
        (3, 0.5, 5),  # filled slices come again
        (8, 0.5, 5),  # some do not come
        (3, 1.0, 10),
        (10, 0.5, 10),  # there are no others
        (3, None, 3),
    ],
)
def test_the_share_of_slices_with_a_label_can_be_chosen(filled, foreground, expected):
    pool = Pool(np.arange(10) < filled, foreground)
    drawn = pool.shuffled(np.random.default_rng(0))
    assert len(drawn) == 10
    assert pool.filled[drawn].sum() == expected
    assert np.ptp(np.bincount(drawn, minlength=10)[:filled]) <= 1  # all alike often, or once more
