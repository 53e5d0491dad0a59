"""Reads DICOM folders of slices, and files of many frames, with pydicom. docs/decisions/0012-dicom.md says why."""
