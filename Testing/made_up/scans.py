"""Scans for the readers of data sets: one marked voxel whose place is known, in DICOM, NIfTI and PNG."""

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import to_image
from training import datasets

SHAPE = (5, 4, 3)  # slices, rows, columns
MARK = 1000  # brighter than anything else in an image
FIRST = np.array([-11.5, 22.25, 33.0])  # LPS, of the lowest slice
SPACING = (0.75, 1.5, 2.0)
# LPS to RAS: columns run to the left, rows to the back, slices upwards
AFFINE = np.array([[-0.75, 0, 0, 11.5], [0, -1.5, 0, -22.25], [0, 0, 2, 33], [0, 0, 0, 1]])
KITS_AFFINE = np.array([[0, 0, -0.8, 0], [0, -0.8, 0, 0], [-3, 0, 0, 0], [0, 0, 0, 1]])
UPWARDS, DOWNWARDS, SHUFFLED = (0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)


def image_voxels(marked):
    voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    voxels[marked] = MARK
    return voxels


def write_dicom(path, pixels, k, **tags):
    """Slice at place k, counted from below; 2 mm apart and 3.2 mm thick."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = CTImageStorage if tags.get("Modality") == "CT" else MRImageStorage
    file.SOPInstanceUID = generate_uid()
    file.SeriesInstanceUID, file.SeriesNumber = "1.2.3.1", 3
    file.ImagePositionPatient = (FIRST + np.array([0, 0, 2 * k])).tolist()
    file.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    file.PixelSpacing, file.SliceThickness = [1.5, 0.75], 3.2
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PixelRepresentation = 1, "MONOCHROME2", 1
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 16, 15
    file.PixelData = pixels.astype(np.int16).tobytes()
    file.update(tags)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)


def write_png(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(pixels), str(path))


def write_nifti(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(to_image(voxels, affine), str(path))


def grey_mask(grey, marked):
    mask = np.zeros(SHAPE, np.uint8)
    mask[marked] = grey
    return mask


def only_case(name, root, **options):
    (case,) = datasets.cases_of(name, root, **options)
    return case


def refusal(name, root, **options):
    """The message with which a data set is refused, on listing or on reading."""
    with pytest.raises(InputError) as caught:
        [case.read() for case in datasets.cases_of(name, root, **options)]
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def check_mark(labelled, marked, label=1):
    """The one labelled voxel is the brightest one, at its place."""
    volume, label_map = labelled
    assert label_map.dtype == np.uint8
    assert label_map.shape == volume.voxels.shape
    assert np.argwhere(volume.voxels == MARK).tolist() == [list(marked)]
    assert np.argwhere(label_map).tolist() == [list(marked)]
    assert label_map[marked] == label


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-20])
