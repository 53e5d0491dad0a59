"""A small `SampleData`: remembers, where Slicer does, which data sets a module has registered; downloads nothing."""

from __future__ import annotations

import slicer


class SampleDataSource:
    """One data set; files, node names and checksums are lists of one length, a single one may stand for itself."""

    def __init__(self, sampleName=None, uris=None, fileNames=None, nodeNames=None, checksums=None, **options):
        unknown = set(options) - {"thumbnailFileName", "loadFileTypes", "loadFiles", "loadFileProperties"}
        unknown -= {"customDownloader", "loadFileType"}
        if unknown:
            raise TypeError(f"SampleData has no {', '.join(sorted(unknown))}")
        single = isinstance(uris, str)
        self.sampleName = sampleName
        self.thumbnailFileName = options.get("thumbnailFileName")
        self.customDownloader = options.get("customDownloader")
        self.uris = [uris] if single else list(uris)
        self.fileNames = self._list(fileNames, single)
        self.nodeNames = self._list(nodeNames, single)
        self.checksums = self._list(checksums, single)

    def _list(self, value, single):
        values = [value] if single else value or [None] * len(self.uris)
        if len(values) != len(self.uris):
            raise ValueError("All fields of sample data source must have the same length")
        return list(values)


class SampleDataLogic:
    """Registers into `slicer.modules.sampleDataSources`, by category."""

    @staticmethod
    def registerCustomSampleDataCategory(category, title):
        titles = vars(slicer.modules).setdefault("sampleDataSourceCategories", {})
        titles.setdefault(category, {})["title"] = title

    @staticmethod
    def registerCustomSampleDataSource(category="Custom", **fields):
        sources = vars(slicer.modules).setdefault("sampleDataSources", {}).setdefault(category, [])
        source = SampleDataSource(**fields)
        if vars(source) not in [vars(other) for other in sources]:
            sources.append(source)
