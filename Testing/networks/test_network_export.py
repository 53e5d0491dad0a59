"""The networks of the five papers outside of Python: torch.export and ONNX say what the network says."""

import io

import pytest
import torch

from AttnSegLib import networks

pytest.importorskip("onnxscript", reason="pip install 'attnseg[dev]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'attnseg[dev]'")

OF_PAPERS = [name for name in networks.network_names() if name not in networks.baseline_names()]


@pytest.fixture(scope="module", params=OF_PAPERS)
def network(request):
    torch.manual_seed(0)
    network = networks.create(request.param, width=4).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):  # starts at 0, where attention says nothing
            torch.nn.init.ones_(parameter)
    return network


@pytest.fixture(scope="module")
def program(network):
    """For any number of slices."""
    batch = torch.export.Dim("batch", max=64)
    return torch.export.export(network, (torch.rand(2, 1, 32, 64),), dynamic_shapes=[{0: batch}])


def assert_equal_up_to_rounding(actual, expected):
    """All heads, relative to their own spread: logits of random weights are small."""
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        scale = other.std() if other.dim() else other
        torch.testing.assert_close(one / scale, other / scale, rtol=0, atol=1e-4)


def heads(output):
    """What an output holds, in the order of its fields, as an exported network gives it."""
    return [output.logits, *output.auxiliary, *(one for one in (output.penalty, output.side) if one is not None)]


@pytest.mark.slow
def test_exported_for_any_batch_size_it_says_the_same(network, program):
    x = torch.rand(3, 1, 32, 64)
    with torch.inference_mode():
        assert_equal_up_to_rounding(heads(program.module()(x)), heads(network(x)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning")  # torch's exporter against its own pytree
def test_says_the_same_in_onnx(network, program):
    x = torch.rand(3, 1, 32, 64)
    file = io.BytesIO()
    torch.onnx.export(program, dynamo=True, verbose=False).save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    outputs = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.inference_mode():
        assert_equal_up_to_rounding([torch.from_dlpack(array) for array in outputs], heads(network(x)))
