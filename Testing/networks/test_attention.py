"""Marking and recording of attention maps."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from AttnSegLib.errors import InputError
from AttnSegLib.networks.attention import (
    AttentionMap,
    AttentionRecorder,
    ChannelCoefficients,
    SelfAttention,
    attention_maps,
)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = AttentionMap("first")
        self.second = AttentionMap("second")

    def forward(self, x):
        return self.second(self.first(x.sigmoid()) ** 2)


@pytest.fixture
def a_network():
    return Gated()


def test_records_what_was_asked_for_and_nothing_else(a_network):
    with AttentionRecorder(a_network, ["second"]) as recorder:
        a_network(torch.zeros(1, 1, 2, 3))
    assert list(recorder.maps) == ["second"]
    assert torch.equal(recorder.maps["second"], torch.full((1, 1, 2, 3), 0.25))


def test_each_thread_has_its_own_maps(a_network):
    def mean(value):
        a_network(torch.full((1, 1, 2, 3), value))
        everybody_ran.wait(timeout=60)
        return recorder.maps["first"].mean().item()

    everybody_ran = threading.Barrier(2)
    with AttentionRecorder(a_network, ["first"]) as recorder, ThreadPoolExecutor(2) as pool:
        found = list(pool.map(mean, [-20.0, 20.0]))
    assert found == pytest.approx([0, 1], abs=1e-6)
    assert recorder.maps == {}


def test_does_not_listen_after_the_block(a_network):
    with AttentionRecorder(a_network, ["first"]) as recorder:
        pass
    a_network(torch.zeros(1, 1, 2, 3))
    assert recorder.maps == {}
    assert not a_network.first._forward_hooks


def test_stops_listening_after_an_error(a_network):
    with pytest.raises(RuntimeError, match="boom"), AttentionRecorder(a_network, ["first"]):
        raise RuntimeError("boom")
    assert not a_network.first._forward_hooks


def test_marks_add_nothing_to_the_weights(a_network):
    assert a_network.state_dict() == {}


def test_refuses_a_map_that_does_not_exist(a_network):
    with pytest.raises(InputError, match="'third'.*first, second"):
        AttentionRecorder(a_network, ["third"])


@pytest.fixture
def queries_keys_values():
    torch.manual_seed(0)
    return torch.randn(2, 12, 5), torch.randn(2, 12, 5), torch.randn(2, 12, 7)


class Looking(nn.Module):
    """Self-attention over a map of 3 x 4 positions."""

    def __init__(self, scale):
        super().__init__()
        self.attend = SelfAttention("position attention", scale)

    def forward(self, q, k, v):
        return self.attend(q, k, v, (3, 4))


def written_out(q, k, scale):
    return torch.softmax(scale * q @ k.transpose(1, 2), dim=-1)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_self_attention_equals_the_written_out_formula(queries_keys_values, scale):
    q, k, v = queries_keys_values
    torch.testing.assert_close(Looking(scale)(q, k, v), written_out(q, k, scale) @ v, rtol=1e-5, atol=1e-5)


def test_a_query_point_gives_its_row_of_the_matrix(queries_keys_values):
    q, k, v = queries_keys_values
    network = Looking(0.5)
    with AttentionRecorder(network, ["position attention"], query=(0.99, 0.3)) as recorder:
        network(q, k, v)
    row = written_out(q, k, 0.5)[:, 2 * 4 + 1]
    expected = (row / row.amax(dim=1, keepdim=True)).reshape(2, 1, 3, 4)
    torch.testing.assert_close(recorder.maps["position attention"], expected)


def test_without_a_query_point_it_is_how_much_each_place_is_looked_at(queries_keys_values, monkeypatch):
    monkeypatch.setattr("AttnSegLib.networks.attention._ROWS", 5)
    q, k, v = queries_keys_values
    network = Looking(0.5)
    with AttentionRecorder(network, ["position attention"]) as recorder:
        network(q, k, v)
    seen = written_out(q, k, 0.5).mean(dim=1)
    expected = (seen / seen.amax(dim=1, keepdim=True)).reshape(2, 1, 3, 4)
    torch.testing.assert_close(recorder.maps["position attention"], expected)


def test_refuses_a_query_point_outside_the_slice():
    with pytest.raises(InputError, match="outside the slice"):
        AttentionRecorder(Looking(1.0), ["position attention"], query=(0.2, 1.0))


def test_coefficients_over_channels_are_recorded_as_vectors():
    network = nn.Sequential(nn.Flatten(), ChannelCoefficients("weights of layer 1"))
    with AttentionRecorder(network, ["weights of layer 1"]) as recorder:
        network(torch.ones(2, 3, 1, 1))
    assert recorder.maps == {}
    assert recorder.vectors["weights of layer 1"].shape == (2, 3)
    assert attention_maps(network) == {}
