"""Marking and recording of attention maps."""

import pytest
import torch
from torch import nn

from AttnSegLib.attention import AttentionMap, AttentionRecorder
from AttnSegLib.errors import InputError


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
