"""One contract for all networks: whoever adds a file to networks/ is tested here without another line."""

import numpy as np
import pytest
import torch

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.attention import AttentionRecorder, attention_maps, channel_coefficients
from AttnSegLib.networks.cost import measure_network
from AttnSegLib.networks.output import SegmentationOutput


@pytest.fixture(params=networks.network_names())
def name(request):
    try:
        networks.network_class(request.param)
    except InputError as missing_library:
        pytest.skip(str(missing_library))
    return request.param


@pytest.fixture
def create(name):
    def create(**options):
        torch.manual_seed(0)
        return networks.create(name, width=4, **options)

    return create


def slices(network, *, batch=1, channels=1):
    """Slices that are not square, and no larger than the network needs."""
    side = network.size_multiple
    height, width = max(side, 32), max(side, 32) + side
    return torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(1))


def padded(pixels, multiple):
    height, width = pixels.shape[-2:]
    return torch.nn.functional.pad(pixels, (0, -width % multiple, 0, -height % multiple))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
def test_says_the_same_on_a_gpu(create):
    network = create().eval()
    x = slices(network, batch=2)
    with torch.inference_mode():
        expected = network(x).logits
        found = network.cuda()(x.cuda()).logits.cpu()
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2 * float(expected.abs().max()))  # TF32


@pytest.mark.parametrize(("channels", "classes"), [(1, 1), (3, 2), (1, 5)])
def test_maps_slices_to_logits_of_their_size(create, channels, classes):
    network = create(in_channels=channels, num_classes=classes).eval()
    x = slices(network, channels=channels)
    with torch.inference_mode():
        output = network(x)
    assert isinstance(output, SegmentationOutput)
    for head in output.heads:
        assert head.shape == (1, classes, *x.shape[2:])
    assert torch.isfinite(output.logits).all()


@pytest.mark.parametrize(("height", "width"), [(33, 47), (5, 61)])
def test_segments_slices_of_any_size(create, height, width):
    """Networks want multiples of their `size_multiple`: preprocessing pads to them and cuts the padding off again."""
    network = create().eval()
    voxels = np.random.default_rng(0).random((2, height, width), np.float32)
    with torch.inference_mode():
        logits = network(padded(torch.from_dlpack(voxels[:, None]), network.size_multiple)).logits
    logits = logits[:, 0, :height, :width]
    middle = logits.median()
    network.register_forward_hook(lambda _module, _inputs, output: output._replace(logits=output.logits - middle))

    preprocessing = Preprocessing("axial", window=(0, 1), multiple=network.size_multiple)
    options = PredictionOptions(attention=tuple(attention_maps(network)))
    volume = Volume(voxels, np.diag([1.0, 1.0, 5.0, 1.0]))
    prediction = SlicePredictor(network, preprocessing, Compute("cpu", precision="float32")).predict(volume, options)
    assert np.mean(prediction.label_map == np.from_dlpack(logits > middle)) > 0.98  # rounding, close to the middle
    assert {values.shape for values in prediction.attention.values()} <= {voxels.shape}


def test_says_the_same_kind_of_thing_in_training_and_gradients_reach_every_parameter(create):
    network = create().train()
    for parameter_name, parameter in network.named_parameters():
        if parameter_name.endswith("gamma"):  # starts at 0, where nothing behind it has a gradient
            torch.nn.init.ones_(parameter)
    output = network(slices(network, batch=2))
    in_evaluation = network.eval()(slices(network, batch=2))
    assert len(output.heads) == len(in_evaluation.heads)
    assert (output.penalty is None) == (in_evaluation.penalty is None)
    loss = sum(head.square().mean() for head in output.heads)
    (loss if output.penalty is None else loss + output.penalty).backward()
    assert [n for n, parameter in network.named_parameters() if parameter.grad is None] == []


def test_the_same_seed_gives_the_same_network(create):
    one, other = create().eval(), create().eval()
    with torch.inference_mode():
        assert torch.equal(one(slices(one)).logits, other(slices(one)).logits)


def test_weights_can_be_saved_and_loaded(create, tmp_path):
    one = create().eval()
    torch.save(one.state_dict(), tmp_path / "weights.pt")
    torch.manual_seed(9)
    other = create().eval()
    for parameter in other.parameters():
        torch.nn.init.normal_(parameter)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    with torch.inference_mode():
        assert torch.equal(one(slices(one)).logits, other(slices(one)).logits)


def test_runs_in_bfloat16(create):
    network = create().eval()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(slices(network))
    assert torch.isfinite(output.logits).all()


def test_marks_attention_with_coefficients_between_0_and_1(create, name):
    network = create().eval()
    titles = [*attention_maps(network), *channel_coefficients(network)]
    assert attention_maps(network) or name in networks.baseline_names()
    assert len(set(titles)) == len(titles)
    with AttentionRecorder(network, titles) as recorder, torch.inference_mode():
        network(slices(network, batch=2))
    assert set(recorder.maps) | set(recorder.vectors) == set(titles)
    for coefficients in recorder.maps.values():
        assert coefficients.shape[:2] == (2, 1)
    for coefficients in (*recorder.maps.values(), *recorder.vectors.values()):
        assert coefficients.min() >= 0
        assert coefficients.max() <= 1 + 1e-6


def test_says_the_same_whether_attention_is_recorded_or_not(create):
    network = create().eval()
    with torch.inference_mode():
        plain = network(slices(network)).logits
        with AttentionRecorder(network, attention_maps(network)):
            recorded = network(slices(network)).logits
    assert torch.equal(plain, recorded)


def test_marks_attention_in_networks_of_its_own_only(create):
    """Two networks do not share marks."""
    one, other = create().eval(), create().eval()
    with AttentionRecorder(one, attention_maps(one)) as recorder, torch.inference_mode():
        other(slices(other))
    assert recorder.maps == {}


@pytest.mark.slow
def test_its_cost_can_be_counted(name):
    cost = measure_network(name, 64, width=4)
    network = networks.create(name, width=4)
    assert cost.parameters == sum(p.numel() for p in network.parameters())
    assert cost.macs > 0
    assert cost.peak_bytes > 64 * 64 * 4
    assert cost.maps == len(attention_maps(network))


def test_refuses_an_option_that_it_does_not_have(name):
    with pytest.raises(InputError, match="has no option 'colour'"):
        networks.create(name, colour="red")


def test_position_attention_of_a_large_slice_keeps_no_matrix():
    """At 512 x 512 each of the eight maps would take 1 GiB."""
    assert measure_network("msdualguided", 512).peak_bytes < 1e9
