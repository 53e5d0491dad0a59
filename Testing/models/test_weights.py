"""Our safetensors reader against the safetensors package."""

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from AttnSegLib.errors import InputError
from AttnSegLib.models.catalog import sha256_of
from AttnSegLib.models.weights import load_weights


@pytest.fixture
def tensors():
    torch.manual_seed(0)
    return {
        "conv.weight": torch.randn(3, 2, 5),
        "half": torch.randn(7).half(),
        "brain": torch.randn(2, 3).bfloat16(),
        "steps": torch.tensor(12_345_678_901),
    }


@pytest.fixture
def a_file(tmp_path, tensors):
    path = tmp_path / "model" / "weights.safetensors"
    path.parent.mkdir()
    save_file(tensors, path, metadata={"made": "here"})
    return path


def test_reads_what_the_safetensors_package_wrote(a_file, tensors):
    loaded = load_weights(a_file, sha256_of(a_file))
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].shape == tensor.shape
        assert torch.equal(loaded[name], tensor.float() if tensor.is_floating_point() else tensor)


def test_refuses_a_changed_file(a_file):
    checksum = sha256_of(a_file)
    content = bytearray(a_file.read_bytes())
    content[-1] ^= 1
    a_file.write_bytes(content)
    with pytest.raises(InputError, match="SHA-256"):
        load_weights(a_file, checksum)


def test_refuses_a_truncated_file(a_file):
    checksum = sha256_of(a_file)
    a_file.write_bytes(a_file.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged"):
        load_weights(a_file, checksum)


def test_refuses_a_missing_file(a_file):
    with pytest.raises(InputError, match="missing"):
        load_weights(a_file.with_name("other.safetensors"), "0" * 64)


HEADER = {"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01\x02",
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 4) + b"{x}}",
        struct.pack("<Q", len(json.dumps(HEADER))) + json.dumps(HEADER).encode() + b"\0" * 15,
        struct.pack("<Q", 2) + b"[]" + b"\0" * 16,
    ],
)
def test_refuses_malformed_files_even_with_the_right_checksum(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a valid safetensors file"):
        load_weights(path, sha256_of(path))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["conv.weight", "half", "brain"])
def test_refuses_weights_that_are_not_finite(tmp_path, tensors, name, value):
    """NaN is never above 0.5: the result would be empty, without a word."""
    tensors[name].view(-1)[0] = value
    path = tmp_path / "model" / "weights.safetensors"
    path.parent.mkdir()
    save_file(tensors, path)
    with pytest.raises(InputError, match=f"model 'model' are NaN or infinite in '{name}'"):
        load_weights(path, sha256_of(path))


@pytest.mark.parametrize("scale", [1e38, float("nan")])
def test_refuses_weights_in_8_bits_that_become_infinite(tmp_path, scale):
    path = tmp_path / "model" / "weights.safetensors"
    path.parent.mkdir()
    save_file({"w": torch.full((2, 1), 127, dtype=torch.int8), "w.scale": torch.full((2, 1), scale)}, path)
    with pytest.raises(InputError, match="NaN or infinite|not a valid safetensors file"):
        load_weights(path, sha256_of(path))


@pytest.mark.parametrize(
    "places",
    [[(0, 400), (0, 400)], [(0, 400), (4, 404)], [(-4, 396)], [(400, 0)], [(0, 400), (400, 800)], [(0.0, 400.0)]],
)
def test_refuses_tensors_that_share_bytes_or_lie_outside(tmp_path, places):
    """Three thousand that name the same bytes would cost as much memory as three thousand."""
    path = tmp_path / "model" / "weights.safetensors"
    path.parent.mkdir()
    header = {
        f"t{number}": {"dtype": "F32", "shape": [100], "data_offsets": place} for number, place in enumerate(places)
    }
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(404))
    with pytest.raises(InputError, match="not a valid safetensors file"):
        load_weights(path, sha256_of(path))


def test_refuses_a_header_of_brackets(tmp_path):
    path = tmp_path / "model" / "weights.safetensors"
    path.parent.mkdir()
    text = b"[" * 200_000
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(InputError, match="not a valid safetensors file"):
        load_weights(path, sha256_of(path))
