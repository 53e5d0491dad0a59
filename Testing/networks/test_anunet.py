"""ANU-Net against the numbers of its paper."""

import pytest
import torch

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.networks.attention import AttentionRecorder, attention_maps
from AttnSegLib.networks.papers.anunet import AttentionGate


def count(network, part=""):
    return sum(p.numel() for name, p in network.named_parameters() if name.startswith(part))


@pytest.fixture
def a_network():
    torch.manual_seed(0)
    network = networks.create("anunet", width=8).eval()
    for module in network.modules():  # statistics as after training: those of a new network hide mistakes
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network


@pytest.fixture
def slices():
    return torch.rand(2, 1, 48, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("level", "parameters"), [(1, 103_812), (2, 513_387), (3, 2_191_829), (4, 8_950_594)])
def test_has_the_parameters_of_table_6(level, parameters):
    assert count(networks.create("anunet", level=level)) == parameters


def test_has_the_parameters_of_each_part():
    network = networks.create("anunet")
    encoder = sum(count(network, f"blocks.{i}_0.") for i in range(5))
    assert encoder == 4_715_616
    assert count(network, "blocks.") - encoder == 3_414_912
    assert count(network, "ups.") == 697_760
    assert [count(network, f"gates.{i}_0.") for i in range(4)] == [2_275, 4_323, 16_835, 66_435]
    assert count(network, "gates.") == 122_174
    assert count(network, "heads.") == 132
    assert count(networks.create("anunet", in_channels=3)) == 8_951_170


def test_gates_can_be_left_out():
    assert count(networks.create("anunet", gates=False)) == 8_950_594 - 122_174
    assert attention_maps(networks.create("anunet", width=4, gates=False)) == {}


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_pruned_network_says_exactly_what_its_head_said(a_network, slices, level):
    with torch.inference_mode():
        output = a_network(slices)
        heads = (*output.auxiliary, output.logits)
        pruned = a_network.pruned(level)(slices)
    assert torch.equal(pruned.logits, heads[level - 1])
    assert len(pruned.auxiliary) == level - 1


def test_pruning_removes_parameters_and_work(a_network):
    pruned = a_network.pruned(1)
    assert set(pruned.blocks) == {"0_0", "1_0", "0_1"}
    assert set(pruned.gates) == {"0_0"}
    assert set(pruned.ups) == {"0"}
    assert count(pruned) < count(a_network) / 50


def test_pruning_leaves_the_network_as_it_was(a_network, slices):
    pruned = a_network.pruned(2)
    with torch.no_grad():
        for parameter in pruned.parameters():
            parameter.zero_()
    assert a_network(slices).logits.abs().sum() > 0


@pytest.mark.parametrize("level", [0, 5])
def test_refuses_levels_that_do_not_exist(a_network, level):
    with pytest.raises(InputError, match="level|levels"):
        a_network.pruned(level)


def test_marks_ten_maps_with_coefficients_between_0_and_1(a_network, slices):
    titles = list(attention_maps(a_network))
    assert sorted(titles) == [f"gate {i},{k}" for i in range(4) for k in range(4 - i)]
    with AttentionRecorder(a_network, titles) as recorder, torch.inference_mode():
        a_network(slices)
    for title, coefficients in recorder.maps.items():
        level = int(title[5])
        assert coefficients.shape == (2, 1, 48 >> level, 32 >> level)
        assert coefficients.min() > 0
        assert coefficients.max() < 1


def test_a_gate_equals_equations_1_and_2():
    """Its weights by their names, as trained ones come."""
    gate, (g, f) = AttentionGate(6, 4).eval(), torch.randn(2, 1, 6, 5, 7)

    def projected(part, x):
        return torch.conv2d(x, part[0].weight, part[0].bias)

    merged = (projected(gate.feature, f) + projected(gate.signal, g)).relu()
    torch.testing.assert_close(gate(g, f), projected(gate.coefficient, merged), rtol=1e-4, atol=1e-4)


def test_gates_multiply_what_they_pass_on(a_network, slices):
    """With coefficients near 0 the heads no longer see the encoder's features, only what comes from below."""
    with torch.inference_mode():
        before = a_network(slices).logits
        a_network.gates["0_0"].coefficient[1].bias.fill_(-50)
        with AttentionRecorder(a_network, ["gate 0,0"]) as recorder:
            after = a_network(slices).logits
    assert recorder.maps["gate 0,0"].max() < 1e-6
    assert not torch.allclose(before, after)


def test_gates_can_be_evaluated_for_every_target(slices):
    network = networks.create("anunet", width=4, gate_per_target=True).eval()
    assert count(network) == count(networks.create("anunet", width=4))
    assert "gate 0,3 from 0,1" in attention_maps(network)
    assert len(attention_maps(network)) == 20
    assert network.pruned(2)(slices).logits.shape == (2, 1, 48, 32)


@pytest.mark.parametrize("options", [{"in_channels": 3, "num_classes": 5}, {"level": 1}, {"gate_per_target": True}])
def test_gradients_reach_every_parameter(options):
    torch.manual_seed(0)
    network = networks.create("anunet", width=4, **options).train()
    output = network(torch.rand(2, options.get("in_channels", 1), 32, 48))
    assert output.logits.shape == (2, options.get("num_classes", 1), 32, 48)
    sum(head.square().mean() for head in (*output.auxiliary, output.logits)).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_is_listed_and_refuses_what_it_does_not_know():
    assert "anunet" in networks.network_names()
    with pytest.raises(InputError, match="no network 'anunett'.*anunet"):
        networks.create("anunett")
    with pytest.raises(InputError, match="no option 'depth'.*width"):
        networks.create("anunet", depth=3)
