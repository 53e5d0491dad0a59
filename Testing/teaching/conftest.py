"""Collections of bright balls in noise."""

import pytest
from made_up.own_cases import a_collection


@pytest.fixture
def balls(tmp_path):
    """Makes a collection of so many balls, in voxels of 2 x 2 x 4 mm."""
    return lambda count, **changes: a_collection(tmp_path / "balls", count, **changes)
