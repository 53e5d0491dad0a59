"""Writes DICOM SEG with highdicom: a segmentation with codes, colours and the model, which refers to the scan's slices.

It has the patient and the study of the scan, since an archive needs them to file it. No other result has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from AttnSegLib import __version__
from AttnSegLib.errors import InputError
from AttnSegLib.images.dicom.signs import is_dicom
from AttnSegLib.models.card import Code, Label, ModelSpec

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_FAMILY = Code("DCM", "123109", "Artificial Intelligence")  # CID 7162
_MAKER = "AttnSeg"


def check_highdicom() -> None:
    """Raises `InputError` if highdicom is not installed."""
    if find_spec("highdicom") is None:
        raise InputError("To write DICOM, the Python package highdicom is needed: pip install highdicom.")


def check_dicom_source(image: Path) -> None:
    """Raises `InputError` if the image can't be DICOM. It is called before a run."""
    if not image.is_dir() and not is_dicom(image):
        raise InputError(
            f"'{image.name}' is no DICOM series, and a DICOM SEG must refer to one; choose another format."
        )


def write_dicom_segmentation(
    path: Path, label_map: np.ndarray, spec: ModelSpec, source: tuple[Path, str | None]
) -> None:
    """Write a label map as DICOM SEG, with one segment for each label, even if it is empty.

    Args:
        path: of the file.
        label_map: (D, H, W), uint8, on the grid of the scan.
        spec: the model. It gives names, codes and colours, and is named in the file.
        source: folder or file of the scan, and the number of its series, as for `read_volume`.

    Raises:
        InputError: if the scan's headers lack something that a DICOM SEG needs.
        OSError: if the file can't be written.
    """
    from AttnSegLib.images.dicom.series import sources_of

    files, frames = sources_of(*source)
    numbered = np.zeros_like(label_map)
    for number, label in enumerate(spec.labels, start=1):
        numbered[label_map == label.value] = number
    in_order = np.zeros_like(numbered)
    in_order[frames] = numbered
    with complete_headers(source[0]):
        _segmentation(in_order, spec, files).save_as(path)


@contextmanager
def complete_headers(scan: Path) -> Iterator[None]:
    """For what highdicom makes of the headers of a scan. Raises `InputError` if something is not there."""
    try:
        yield
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"The headers of '{scan.name}' lack what a DICOM SEG needs ({str(error).splitlines()[0]}); export the "
            "series again, or choose another format."
        ) from error


def maker_of(spec: ModelSpec, number: int, what: str) -> dict[str, Any]:
    """What highdicom wants to know of a new series. number: of the series; what: it holds, for its description."""
    from highdicom import UID

    return {
        "series_instance_uid": UID(),
        "series_number": number,
        "sop_instance_uid": UID(),
        "instance_number": 1,
        "manufacturer": _MAKER,
        "manufacturer_model_name": spec.id,
        "software_versions": __version__,
        "device_serial_number": "none",
        "content_description": "By a research program; not for clinical use",
        "series_description": f"{_MAKER}: {what}"[:64],
    }


def _segmentation(numbered: np.ndarray, spec: ModelSpec, files: list[Dataset]) -> Any:
    from highdicom.content import AlgorithmIdentificationSequence
    from highdicom.seg import Segmentation, SegmentationTypeValues

    algorithm = AlgorithmIdentificationSequence(
        name=spec.id,
        family=dicom_concept(_FAMILY),
        version=f"{__version__}, weights {spec.sha256[:16]}",
        source=_MAKER,
    )
    return Segmentation(
        source_images=files,
        pixel_array=numbered,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_described(n, label, algorithm) for n, label in enumerate(spec.labels, start=1)],
        content_label="SEGMENTATION",
        omit_empty_frames=False,
        **maker_of(spec, 100, spec.id),
    )


def _described(number: int, label: Label, algorithm: Any) -> Any:
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription

    described = SegmentDescription(
        segment_number=number,
        segment_label=label.name,
        segmented_property_category=dicom_concept(label.category),
        segmented_property_type=dicom_concept(label.type),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        display_color=CIELabColor.from_rgb(*label.color),
    )
    if label.modifier is not None:
        described.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [
            dicom_concept(label.modifier)
        ]
    return described


def dicom_concept(code: Code) -> Any:
    """A code as highdicom has it."""
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, code.meaning)
