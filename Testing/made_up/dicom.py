"""DICOM files of a few pixels: slices, series, and files of many frames."""

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

from made_up import refusals

VOXELS = np.arange(5 * 4 * 3, dtype=np.int16).reshape(5, 4, 3)
AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
# rows and columns of a plane turned about two axes
OBLIQUE = (0.8, 0.6, 0, -0.36, 0.48, 0.8)
ORIGIN = np.array([-11.5, 22.25, 33])
SERIES = "1.2.3.1"
PATIENT = {"PatientName": "Doe^Jane", "PatientID": "4711", "PatientBirthDate": "19700102", "StudyDescription": "Ache"}


def item(**tags):
    dataset = Dataset()
    dataset.update(tags)
    return dataset


def position(distance, orientation=AXIAL):
    """Of a slice, `distance` mm along the normal from ORIGIN."""
    orientation = np.array(orientation, float)
    place = ORIGIN + distance * np.cross(orientation[:3], orientation[3:])
    return [round(x, 9) for x in place.tolist()]


def write_slice(path, pixels, distance=0.0, **tags):
    """A DICOM file, `distance` mm along the slice normal from ORIGIN; pixels are 1.5 mm high and 0.75 mm wide."""
    tags = {"ImageOrientationPatient": list(AXIAL), "Modality": "CT", **tags}
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = CTImageStorage if tags["Modality"] == "CT" else MRImageStorage
    file.SOPInstanceUID = generate_uid()
    file.SeriesInstanceUID, file.SeriesNumber = SERIES, 3
    file.ImagePositionPatient = position(distance, tags["ImageOrientationPatient"])
    file.PixelSpacing, file.SliceThickness = [1.5, 0.75], 3.2
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PixelRepresentation = 1, "MONOCHROME2", 1
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 16, 15
    file.PixelData = pixels.astype(np.int16).tobytes()
    file.update(PATIENT | tags)
    for element in file.iterall():
        if element.VR.startswith("US or"):
            element.VR = "SS" if isinstance(element.value, int) and element.value < 0 else "US"
    file.save_as(path, enforce_file_format=True)


def write_series(folder, distances=(0, 2, 4, 6, 8), prefix="", plus=0, **tags):
    """Slice k of VOXELS + plus at distances[k]; neither file names nor instance numbers follow the positions."""
    for k, distance in enumerate(distances):
        name = f"{prefix}{3 * k % 5}"
        write_slice(folder / name, VOXELS[k % 5] + plus, distance, **{"InstanceNumber": 7 * k % 5} | tags)


def write_enhanced(path, frames, voxels=VOXELS, shared=None, **tags):
    """A file of many frames. frames: of each, the distance and its further functional groups; shared: of all."""
    write_slice(path, voxels[0], Modality="MR")
    file = dcmread(path)
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(file, tag)
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    file.NumberOfFrames, file.PixelData = len(frames), voxels.astype(np.int16).tobytes()
    measures = item(PixelSpacing=[1.5, 0.75], SliceThickness=3.2)
    lie = item(ImageOrientationPatient=list(AXIAL))
    groups = {"PixelMeasuresSequence": [measures], "PlaneOrientationSequence": [lie]}
    file.SharedFunctionalGroupsSequence = [item(**groups | (shared or {}))]
    file.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(ImagePositionPatient=position(distance))], **groups)
        for distance, groups in frames
    ]
    file.update(tags)
    file.save_as(path)


def edit(path, **tags):
    file = dcmread(path)
    file.update(tags)
    file.save_as(path)


def without(path, *tags):
    file = dcmread(path)
    for tag in tags:
        del file[tag]
    file.save_as(path)


def pack(path, syntax=RLELossless):
    """Encode the pixels by run lengths, whatever `syntax` claims."""
    file = dcmread(path)
    file.compress(RLELossless, generate_instance_uid=False)
    file.file_meta.TransferSyntaxUID = syntax
    file.save_as(path)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-5])


def place_of(path):
    return np.array(dcmread(path).ImagePositionPatient, float)


def refusal(path, **kwargs):
    """The message with which DICOM is refused: one short sentence with a remedy, nothing about the patient."""
    message = refusals.refusal(path, **kwargs)
    assert len(message) < 400
    assert_anonymous(message)
    return message


def assert_anonymous(message):
    assert not any(value in message for value in ("Doe", "Jane", "4711", "1970", "Ache"))
