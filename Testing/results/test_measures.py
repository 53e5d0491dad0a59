"""How large and how bright a segment is, by hand."""

import numpy as np
import pytest

from AttnSegLib.images.volume import Volume
from AttnSegLib.models.card import Code, Label
from AttnSegLib.results.measures import measure_mask

CODE = Code("SCT", "1", "x")
LABEL = Label(1, "Liver", (1, 2, 3), CODE, CODE)
VOLUME = Volume(np.arange(120, dtype=np.int16).reshape(4, 5, 6), np.diag([0.5, 2.0, 5.0, 1.0]))


@pytest.mark.parametrize(("axis", "areas"), [(0, [0, 12, 12, 0]), (1, [0, 20, 20, 20, 0]), (2, [0, 0, *[60] * 4])])
def test_each_axis_has_its_own_spacing(axis, areas):
    mask = np.zeros((4, 5, 6), bool)
    mask[1:3, 1:4, 2:6] = True  # 10 x 6 x 2 mm
    measure = measure_mask(VOLUME, mask, LABEL, axis)
    assert list(measure.slice_area_mm2) == areas
    assert measure.slices == np.count_nonzero(areas)
    assert measure.extent_ijk_mm == (2.0, 6.0, 10.0)
    assert measure.volume_ml == 0.12
    assert measure.mean_intensity == pytest.approx(VOLUME.voxels[mask].mean(), abs=1e-3)
    assert measure.sd_intensity == pytest.approx(VOLUME.voxels[mask].std(), abs=1e-3)


def test_an_empty_segment_has_no_intensity():
    measure = measure_mask(VOLUME, np.zeros((4, 5, 6), bool), LABEL, 0)
    assert (measure.volume_ml, measure.slices, measure.extent_ijk_mm) == (0.0, 0, (0.0, 0.0, 0.0))
    assert (measure.mean_intensity, measure.sd_intensity) == (None, None)
