"""torch, best effort: what whoever knows torch adds to the papers' way, two lines.

The network in the memory format channels last, which its convolutions are fastest in, and autocast where the device
computes in bfloat16. So many slices together as suit the device, see `Setting.together`, by all threads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from Testing.benchmarks.others.peers import Logits, Segment, Setting
from Testing.benchmarks.others.peers.plain import with_files


def network_alone(network: nn.Module, setting: Setting) -> Logits:
    network = network.eval().to(setting.device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def logits(slices: Tensor) -> Tensor:
        with setting.autocast():
            parts = slices.contiguous(memory_format=torch.channels_last).split(setting.together)
            return torch.cat([network(part).logits for part in parts])

    return logits


def end_to_end(network: nn.Module, setting: Setting) -> Segment:
    return with_files(network_alone(network, setting), setting)
