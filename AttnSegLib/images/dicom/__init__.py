"""DICOM: folders of slices and files of frames, read by pydicom. docs/decisions/0012-dicom.md says why by it."""
