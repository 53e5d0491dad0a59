"""The shipped cases, as Slicer's Sample Data module offers them."""

from __future__ import annotations

from dataclasses import dataclass

from AttnSegLib.models.places import resource_folder

_URL = "https://raw.githubusercontent.com/AttnSeg/SlicerAttnSeg/main/Resources/Samples/"


@dataclass(frozen=True)
class SampleCase:
    """A scan with its manual label map. folder: in Resources/Samples; name: of the button; title: of the nodes;
    checksums: SHA-256 of image.nrrd and labels.nrrd."""

    folder: str
    name: str
    title: str
    checksums: tuple[str, str]


SAMPLES = (
    SampleCase(
        "abdomen_mr",
        "AttnSegAbdomenMR",
        "Abdomen MR",
        (
            "dda04bee206fe410992b9fb2cecfa6354dc2ca740c036b932bbde56108853922",
            "e6be0e788b057c9f03826803d5cac947f6c631decfbd7e570e20d64ae2e295f3",
        ),
    ),
    SampleCase(
        "left_atrium_mr",
        "AttnSegLeftAtriumMR",
        "Left atrium MR",
        (
            "8d7bb2414e2aed3891a1725440904163e55623780ff05ea030511da7bab685aa",
            "c7f9107a2926d7dfa7520404354a858d9865f869330627749cf204f8d3ad87e1",
        ),
    ),
)


def register() -> None:
    """Offer the cases in Slicer's Sample Data module."""
    import SampleData

    for sample in SAMPLES:
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="AttnSeg",
            sampleName=sample.name,
            thumbnailFileName=str(resource_folder("Icons") / f"{sample.folder}.png"),
            uris=[f"{_URL}{sample.folder}/{name}" for name in ("image.nrrd", "labels.nrrd")],
            fileNames=[f"{sample.name}.nrrd", f"{sample.name}-manual.seg.nrrd"],
            nodeNames=[sample.title, f"{sample.title}, manual"],
            checksums=[f"SHA256:{checksum}" for checksum in sample.checksums],
            loadFileTypes=["VolumeFile", "SegmentationFile"],
        )
