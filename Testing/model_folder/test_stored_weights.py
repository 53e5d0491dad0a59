"""Weights in 8, 16 and 32 bits: what is written is what our reader gives back, but for rounding, at the size that was
asked for."""

import json
import struct
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.models.catalog import sha256_of
from AttnSegLib.models.weights import load_weights
from training.model_folder.stored_weights import quantised, write_weights


@pytest.fixture
def layers():
    """Every kind of kernel, each output channel of another size; the last is too small for 8 bits."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(8, 16, 3),
        nn.BatchNorm2d(16),
        nn.ConvTranspose2d(16, 32, 2, stride=2),
        nn.Conv1d(32, 64, 3, groups=2),
        nn.Linear(64, 20),
        nn.Conv2d(20, 1, 1),
    )
    with torch.no_grad():
        for number, axis in ((0, 0), (2, 1), (3, 0), (4, 0)):
            weight = layers[number].weight
            shape = [-1 if other == axis else 1 for other in range(weight.dim())]
            weight *= torch.logspace(-3, 3, weight.shape[axis]).reshape(shape)
    return layers


@pytest.fixture
def written(tmp_path):
    """Write a network, and return the path of the file."""

    def write(network, bits):
        path = tmp_path / f"{bits}.safetensors"
        write_weights(network, bits, path)
        return path

    return write


def read(path):
    return load_weights(path, sha256_of(path))


# Writing


@pytest.mark.parametrize(("number", "axis"), [(0, 0), (2, 1), (3, 0), (4, 0)])
def test_a_kernel_in_8_bits_is_right_to_half_a_step_of_its_output_channel(number, axis, layers, written):
    weight = layers[number].weight.detach()
    found = read(written(layers, 8))[f"{number}.weight"]
    assert found.shape == weight.shape
    assert found.dtype == torch.float32
    others = [other for other in range(weight.dim()) if other != axis]
    steps = weight.abs().amax(dim=others, keepdim=True) / 127
    assert ((found - weight).abs() <= 0.5001 * steps).all()
    assert not torch.equal(found, weight)


def test_only_large_kernels_are_in_8_bits(layers, written):
    kinds = {name: tensor.dtype for name, tensor in load_file(written(layers, 8)).items()}
    kernels = {f"{number}.weight" for number in (0, 2, 3, 4)}
    assert {name for name, kind in kinds.items() if kind == torch.int8} == kernels
    assert {name for name, kind in kinds.items() if kind == torch.float32} == {f"{name}.scale" for name in kernels}
    assert kinds["5.weight"] == kinds["1.running_var"] == kinds["0.bias"] == torch.float16
    assert kinds["1.num_batches_tracked"] == torch.int64


def test_what_half_precision_would_lose_stays_in_32_bits(layers, written):
    layers[1].running_var[0] = 1e6
    layers[1].running_mean[0] = 1e-9
    found = read(written(layers, 8))
    assert torch.equal(found["1.running_var"], layers[1].running_var)
    assert torch.equal(found["1.running_mean"], layers[1].running_mean)


def test_channels_of_zeros_stay_zeros(layers, written):
    with torch.no_grad():
        layers[0].weight[3] = 0
    found = read(written(layers, 8))["0.weight"]
    assert (found[3] == 0).all()
    assert torch.isfinite(found).all()


def test_the_largest_weight_is_kept():
    numbers, scale = quantised(torch.tensor([[0.5, -3.0], [5e-7, 2e-6]]), 0)
    torch.testing.assert_close((numbers * scale)[:, 1], torch.tensor([-3.0, 2e-6]))
    assert numbers.tolist() == [[21, -127], [32, 127]]
    assert scale.shape == (2, 1)


def test_fewer_bits_make_smaller_files(written):
    network = networks.create("anunet", width=16)
    sizes = {bits: written(network, bits).stat().st_size for bits in (8, 16, 32)}
    assert sizes[16] < 0.52 * sizes[32]
    assert sizes[8] < 0.54 * sizes[16]
    assert written(network, 8).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", [name for name in networks.network_names() if name not in networks.baseline_names()])
def test_a_network_of_8_bits_takes_its_weights_back(name, written):
    torch.manual_seed(0)
    network = networks.create(name, width=4)
    found = read(written(network, 8))
    networks.create(name, width=4).load_state_dict(found)
    for key, tensor in network.state_dict().items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-3, atol=float(tensor.abs().max()) / 250)


@pytest.mark.parametrize(
    ("bits", "value", "said"),
    [
        (8, float("nan"), "not finite, so the training went wrong"),
        (16, float("inf"), "not finite, so the training went wrong"),
        (32, float("nan"), "not finite, so the training went wrong"),
        (16, 1e5, "too large for 16 bits; export with --weights-in 32"),
    ],
)
def test_weights_that_cannot_be_stored_are_refused(bits, value, said, layers, written):
    with torch.no_grad():
        layers[0].weight[0, 0, 0, 0] = value
    with pytest.raises(InputError, match=said):
        written(layers, bits)


def test_8_bits_hold_a_kernel_that_16_do_not(layers, written):
    with torch.no_grad():
        layers[0].weight[0] = 1e5
    torch.testing.assert_close(read(written(layers, 8))["0.weight"][0], layers[0].weight[0].detach())


# Reading


NUMBERS = torch.arange(-6, 6, dtype=torch.int8).reshape(3, 4)


@pytest.mark.parametrize("scale", [torch.tensor([[1.0], [2.0], [0.5]]), torch.full((1, 4), 0.25), torch.ones(1, 1)])
def test_numbers_are_multiplied_by_their_scale(scale, tmp_path):
    save_file({"x": NUMBERS, "x.scale": scale}, tmp_path / "x.safetensors")
    found = read(tmp_path / "x.safetensors")
    assert found.keys() == {"x"}
    torch.testing.assert_close(found["x"], NUMBERS.float() * scale)


def test_a_scale_of_no_numbers_is_a_tensor_like_others(tmp_path):
    save_file({"x": torch.ones(3), "x.scale": torch.ones(1)}, tmp_path / "x.safetensors")
    assert read(tmp_path / "x.safetensors").keys() == {"x", "x.scale"}


@pytest.mark.parametrize(
    "scale",
    [
        None,
        torch.ones(()),
        torch.ones(3),
        torch.ones(4, 1),
        torch.ones(3, 4),
        torch.ones(3, 1, 1),
        torch.ones(3, 1, dtype=torch.int64),
        torch.ones(3, 1, dtype=torch.int8),
        torch.tensor([[1.0], [float("nan")], [1.0]]),
        torch.tensor([[1.0], [float("inf")], [1.0]]),
        torch.tensor([[1.0], [0.0], [1.0]]),
        torch.tensor([[1.0], [-1.0], [1.0]]),
    ],
    ids=lambda scale: "missing" if scale is None else str(scale.flatten().tolist()[:3]) + str(tuple(scale.shape)),
)
def test_a_scale_that_is_none_is_refused(scale, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"x": NUMBERS} | ({} if scale is None else {"x.scale": scale}), path)
    with pytest.raises(InputError, match="not a valid safetensors file"):
        read(path)


def test_numbers_of_the_wrong_size_are_refused(tmp_path):
    header = {
        "x": {"dtype": "I8", "shape": [3, 4], "data_offsets": [0, 11]},
        "x.scale": {"dtype": "F32", "shape": [1, 1], "data_offsets": [11, 15]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\1" * 15)
    with pytest.raises(InputError, match="not a valid safetensors file"):
        read(path)


def test_the_checksum_comes_first(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"x": NUMBERS}, path)
    with pytest.raises(InputError, match="SHA-256"):
        load_weights(path, "0" * 64)


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_a_full_disk_is_an_error_of_the_system(tmp_path):
    """Of which `training.teach` makes a sentence; safetensors has an error of its own."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_weights(nn.Linear(64, 64), 32, tmp_path / "weights.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
