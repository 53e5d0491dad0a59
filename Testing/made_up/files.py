"""NIfTI, NRRD and MetaImage files, written field by field: without the code under test, and without ITK."""

import bz2
import gzip
import struct
import zlib

import numpy as np

FIRST = {  # fields of NIfTI-1: place and form
    "sizeof_hdr": (0, "i"),
    "dim": (40, "8h"),
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    "pixdim": (76, "8f"),
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "xyzt_units": (123, "B"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    "quatern": (256, "3f"),
    "qoffset": (268, "3f"),
    "srow": (280, "12f"),
    "magic": (344, "4s"),
}
SECOND = {
    "sizeof_hdr": (0, "i"),
    "magic": (4, "8s"),
    "datatype": (12, "h"),
    "bitpix": (14, "h"),
    "dim": (16, "8q"),
    "pixdim": (104, "8d"),
    "vox_offset": (168, "q"),
    "scl_slope": (176, "d"),
    "scl_inter": (184, "d"),
    "qform_code": (344, "i"),
    "sform_code": (348, "i"),
    "quatern": (352, "3d"),
    "qoffset": (376, "3d"),
    "srow": (400, "12d"),
    "xyzt_units": (500, "i"),
}
DATATYPES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}
SFORM = (0.5, 0, 0, 10, 0, 1.5, 0, 20, 0, 0, 2, 30)  # RAS
PIXDIM = (1, 0.5, 1.5, 2, 0, 0, 0, 0)


def nifti(voxels, version=1, **fields):
    """The bytes of a file with an sform, in the byte order of its voxels. fields: others than usual."""
    order = ">" if voxels.dtype.byteorder == ">" else "<"
    usual = {
        "sizeof_hdr": 348 if version == 1 else 540,
        "dim": (3, *voxels.shape[::-1], 1, 1, 1, 1),
        "datatype": DATATYPES[voxels.dtype.str[1:]],
        "bitpix": 8 * voxels.itemsize,
        "pixdim": PIXDIM,
        "vox_offset": 352 if version == 1 else 544,
        "xyzt_units": 2,
        "sform_code": 1,
        "srow": SFORM,
        "magic": b"n+1\0" if version == 1 else b"n+2\0\r\n\032\n",
    } | fields
    content = bytearray(int(usual["vox_offset"])) + voxels.tobytes()
    for name, value in usual.items():
        place, form = (FIRST if version == 1 else SECOND)[name]
        struct.pack_into(order + form, content, place, *(value if isinstance(value, tuple) else (value,)))
    return bytes(content)


def write_nifti(path, voxels, version=1, **fields):
    """`nifti` in a file, packed if its name says so."""
    content = nifti(voxels, version, **fields)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


NRRD_TYPES = {"u1": "uint8", "i2": "short", "i4": "int", "f4": "float", "f8": "double", "u2": "uint16", "i8": "int64"}
PACKERS = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}


def nrrd_header(voxels, **fields):
    """The text of a header with directions, in LPS. fields: others than usual, None for none."""
    usual = {
        "type": NRRD_TYPES[voxels.dtype.str[1:]],
        "dimension": 3,
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, voxels.shape[::-1])),
        "space_directions": "(0.5,0,0) (0,1.5,0) (0,0,2)",
        "space_origin": "(10,20,30)",
        "endian": "big" if voxels.dtype.byteorder == ">" else "little",
        "encoding": "raw",
    } | fields
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in usual.items() if value is not None]
    return "\n".join(["NRRD0005", *lines, ""]).encode("utf-8", "surrogateescape")


def write_nrrd(path, voxels, packing="raw", **fields):
    """A file whose header is followed by its voxels, packed."""
    header = nrrd_header(voxels, encoding=packing, **fields)
    path.write_bytes(header + b"\n" + PACKERS[packing](voxels.tobytes()))
    return path


META_TYPES = {"u1": "MET_UCHAR", "i2": "MET_SHORT", "i4": "MET_INT", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}


def meta_header(voxels, **fields):
    """The text of a header. fields: others than usual, None for none; that of the data file is last."""
    usual = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": True,
        "BinaryDataByteOrderMSB": voxels.dtype.byteorder == ">",
        "CompressedData": False,
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "10 20 30",
        "ElementSpacing": "0.5 1.5 2",
        "DimSize": " ".join(map(str, voxels.shape[::-1])),
        "ElementType": META_TYPES[voxels.dtype.str[1:]],
    } | fields
    data_file = usual.pop("ElementDataFile", "LOCAL")
    lines = [f"{name} = {value}" for name, value in usual.items() if value is not None]
    return "\n".join([*lines, f"ElementDataFile = {data_file}", ""]).encode("utf-8", "surrogateescape")


def write_meta(path, voxels, packed=False, **fields):
    """A file whose header is followed by its voxels."""
    content = voxels.tobytes()
    if packed:
        content = zlib.compress(content)
        fields = {"CompressedData": True, "CompressedDataSize": len(content)} | fields
    path.write_bytes(meta_header(voxels, **fields) + content)
    return path


def some_voxels(dtype="<i2", shape=(5, 4, 3)):
    """Every voxel another value."""
    return np.arange(np.prod(shape)).astype(dtype).reshape(shape)
