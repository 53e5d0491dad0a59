"""The baselines against what public implementations gave for the same weights: recorded outputs, none of their code.

The weights are a formula, so that they need no file. They were set here, copied layer by layer into the public networks
at a sixteenth (U-Net++: an eighth) of their width, and these gave the outputs in `public_outputs.json`, in double
precision: every eighth pixel of each output. Which repository and commit gave them stands there, too.
"""

import json
from pathlib import Path

import pytest
import torch

from AttnSegLib import networks

RECORDED = json.loads(Path(__file__).with_name("public_outputs.json").read_text())


def set_weights(network):
    """Waves, scaled to what a layer of its size needs to pass a signal on."""
    for number, (name, tensor) in enumerate(network.state_dict().items()):
        if not tensor.is_floating_point():
            continue
        wave = torch.sin(12.9898 * torch.arange(tensor.numel(), dtype=torch.float64) + number).reshape(tensor.shape)
        if tensor.dim() > 1:
            wave = wave * (2 / tensor[0].numel()) ** 0.5
        elif name.endswith(("weight", "running_var")):
            wave = 1 + 0.5 * wave
        else:
            wave = 0.1 * wave
        tensor.copy_(wave)


def a_slice():
    return torch.sin(0.37 * torch.arange(32 * 32, dtype=torch.float64)).reshape(1, 1, 32, 32)


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_says_what_the_public_implementation_says(name):
    network = networks.create(name, width=4).eval().double()
    set_weights(network)
    with torch.inference_mode():
        heads = network(a_slice()).heads
    found = [head[0, 0, ::8, ::8].flatten().tolist() for head in heads]
    assert torch.tensor(found).std() > 0.01
    for ours, theirs in zip(found, RECORDED[name]["outputs"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)
