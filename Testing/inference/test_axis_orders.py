"""One scan, stored in each of the 48 orders of axes, right-handed and left-handed: the same slices from each format,
and the same segmentation of the patient."""

import numpy as np
import pytest
from made_up.axis_orders import stored_in_all_orders, turned
from made_up.dicom import write_slice
from made_up.files import some_voxels, write_meta, write_nifti, write_nrrd

from AttnSegLib.images.orientation import slice_orientation
from AttnSegLib.images.volume import read_volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card_file import CARD, load_card

DIRECTIONS = turned([1, 2, 3], 25) * [0.5, 1.5, 2.0]  # RAS, mm
FIRST = np.array([-20.0, 35.0, 7.0])  # RAS, of the voxel 0 0 0 before anything is reordered
TO_LPS = np.array([-1, -1, 1])


def text(numbers):
    return " ".join(f"{number:.9g}" for number in numbers)


def nifti_file(folder, voxels, directions, first):
    rows = np.column_stack([directions, first])
    spacing = np.linalg.norm(directions, axis=0)
    return write_nifti(folder / "scan.nii.gz", voxels, srow=tuple(rows.ravel()), pixdim=(1, *spacing, 0, 0, 0, 0))


def nrrd_file(folder, voxels, directions, first):
    axes = " ".join(f"({text(axis * TO_LPS).replace(' ', ',')})" for axis in directions.T)
    origin = f"({text(first * TO_LPS).replace(' ', ',')})"
    return write_nrrd(folder / "scan.nrrd", voxels, space_directions=axes, space_origin=origin)


def metaimage_file(folder, voxels, directions, first):
    spacing = np.linalg.norm(directions, axis=0)
    rows = (directions / spacing).T * TO_LPS
    fields = {"TransformMatrix": text(rows.ravel()), "ElementSpacing": text(spacing), "Offset": text(first * TO_LPS)}
    return write_meta(folder / "scan.mha", voxels, **fields)


def dicom_folder(folder, voxels, directions, first):
    """Slices are told by their place, so that the third axis has two directions, and their files any order."""
    (series := folder / f"series {len(list(folder.iterdir()))}").mkdir()
    lengths, lps = np.linalg.norm(directions, axis=0), directions * TO_LPS[:, None]
    rows_and_columns = (lps / lengths)[:, :2].T.ravel()
    for k, pixels in enumerate(voxels):
        place = {
            "ImagePositionPatient": (first * TO_LPS + k * lps[:, 2]).round(9).tolist(),
            "ImageOrientationPatient": rows_and_columns.round(12).tolist(),
            "PixelSpacing": [lengths[1], lengths[0]],
        }
        write_slice(series / f"{k}.dcm", pixels, Modality="MR", **place)
    return series


WRITERS = [nifti_file, nrrd_file, metaimage_file, dicom_folder]


@pytest.mark.parametrize("write", WRITERS)
def test_the_order_of_axes_in_a_file_does_not_matter(tmp_path, write):
    voxels = some_voxels()
    expected, places = None, None
    for stored, directions in stored_in_all_orders(voxels, DIRECTIONS):
        far = np.array(np.unravel_index(stored.argmin(), stored.shape))[::-1]  # where the voxel 0 0 0 lies now
        volume = read_volume(write(tmp_path, np.ascontiguousarray(stored), directions, FIRST - directions @ far))
        view = slice_orientation(volume.affine, "axial").view(volume.voxels)
        corner = np.array(np.unravel_index(view[0, 0, 0], voxels.shape))[::-1]
        here = np.array(np.argwhere(volume.voxels == view[0, 0, 0])[0])[::-1]
        place = volume.affine @ [*here, 1]
        np.testing.assert_allclose(place[:3], FIRST + DIRECTIONS @ corner, atol=1e-4)
        if expected is None:
            expected, places = view.copy(), place
        np.testing.assert_array_equal(view, expected)
        np.testing.assert_allclose(place, places, atol=1e-4)
        assert volume.notices == ()


def test_a_scan_is_segmented_alike_in_whatever_order_it_is_stored(tmp_path, a_model_folder):
    """From each format one order, and from DICOM both hands."""
    predictor = SlicePredictor.from_model(load_card(a_model_folder / CARD), Compute("cpu"))
    orders = list(stored_in_all_orders(some_voxels(shape=(6, 24, 20)), DIRECTIONS))
    found = []
    for write, number in [*zip(WRITERS, (0, 11, 29, 38), strict=True), (dicom_folder, 39)]:
        stored, directions = orders[number]
        far = np.array(np.unravel_index(stored.argmin(), stored.shape))[::-1]
        volume = read_volume(write(tmp_path, np.ascontiguousarray(stored), directions, FIRST - directions @ far))
        label_map = predictor.predict(volume).label_map
        found.append(slice_orientation(volume.affine, "axial").view(label_map))
    assert 0.1 < found[0].mean() < 0.9
    for one in found[1:]:
        np.testing.assert_array_equal(one, found[0])
