"""ANU-Net, the attention-based nested U-Net.

C. Li, Y. Tan, W. Chen, X. Luo, Y. He, Y. Gao, F. Li: "ANU-Net: Attention-based nested U-Net to exploit full resolution
features for medical image segmentation", Computers & Graphics 90 (2020) 11-20. Equation numbers are the paper's.

Readings where the paper is silent or contradicts itself; the first three are fixed by the parameter counts of its
Table 6 (103,812; 513,387; 2,191,829; 8,950,594 for L1 to L4), which no other plausible reading meets:

- One up-convolution per level, shared by all blocks of that level. Its ReLU is our choice.
- One attention gate per block, ten in all. Its inner width is max(F_i / 2, F_0): 32, 32, 64, 128.
- All convolutions have a bias beside their batch normalisation.
- Eq. 4 prints a sum over the gates where the text says concatenation: concatenated.
- Eq. 4's recursion for j = 0 includes the max pooling.
- Ag(X[i,k]) has no target index, so a gate is evaluated once, when the block above its input is first built, with
  g = Up(X[i+1,k]). `gate_per_target=True` evaluates it anew for every block that uses it, with that block's own g.
- The heads return logits; sigmoid belongs to the loss and to inference.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from AttnSegLib.errors import InputError
from AttnSegLib.networks.attention import AttentionMap
from AttnSegLib.networks.blocks import DoubleConv, UpConv, halve
from AttnSegLib.networks.output import SegmentationOutput


class AttentionGate(nn.Module):
    """Fig. 3, without the sigmoid: logits of the coefficient of the feature f under the gating signal g."""

    def __init__(self, channels: int, inner_channels: int):
        super().__init__()
        self.feature = nn.Sequential(nn.Conv2d(channels, inner_channels, 1), nn.BatchNorm2d(inner_channels))
        self.signal = nn.Sequential(nn.Conv2d(channels, inner_channels, 1), nn.BatchNorm2d(inner_channels))
        self.coefficient = nn.Sequential(nn.Conv2d(inner_channels, 1, 1), nn.BatchNorm2d(1))

    def forward(self, g: Tensor, f: Tensor) -> Tensor:
        """g, f: (N, C, H, W) of one size; returns (N, 1, H, W)."""
        merged = torch.relu(self.feature(f) + self.signal(g))  # Eq. 1
        return self.coefficient(merged)  # Eq. 2, inside the sigmoid


class ANUNet(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 2**level, to logits (N, num_classes, H, W).

    Args:
        width: channels of the first level; each further level doubles them (paper: 32).
        level: depth of pruning, 1 to 4. L4 is the whole network; L_N holds the blocks with i + j <= N and reads X[0,N].
        gates: False leaves the attention gates out, which makes it a U-Net++ of this layout.
        gate_per_target: True evaluates a gate anew for each block that uses it.

    Raises:
        InputError: for another level.
    """

    published = "8.9506 M parameters (Table 6): equal"

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 1,
        *,
        width: int = 32,
        level: int = 4,
        gates: bool = True,
        gate_per_target: bool = False,
    ):
        if level not in (1, 2, 3, 4):
            raise InputError(f"ANU-Net can be pruned to level 1, 2, 3 or 4, not {level}.")
        super().__init__()
        self.level = level
        self.size_multiple = 2**level
        self.gate_per_target = gate_per_target
        self.options: dict[str, Any] = {
            "in_channels": in_channels,
            "num_classes": num_classes,
            "width": width,
            "gates": gates,
            "gate_per_target": gate_per_target,
        }
        channels = [width * 2**i for i in range(level + 1)]
        self.blocks = nn.ModuleDict()
        self.ups = nn.ModuleDict()
        self.gates = nn.ModuleDict()
        self.maps = nn.ModuleDict()
        for i, c in enumerate(channels):
            self.blocks[f"{i}_0"] = DoubleConv(channels[i - 1] if i else in_channels, c)
            if i < level:
                self.ups[f"{i}"] = UpConv(channels[i + 1], c)
            for j in range(1, level - i + 1):
                self.blocks[f"{i}_{j}"] = DoubleConv((j + 1) * c, c)
                if gates:
                    self.gates[f"{i}_{j - 1}"] = AttentionGate(c, max(c // 2, width))
                    self._add_maps(i, j)
        self.heads = nn.ModuleDict({f"{j}": nn.Conv2d(width, num_classes, 1) for j in range(1, level + 1)})

    def forward(self, x: Tensor) -> SegmentationOutput:
        """Build the blocks diagonal by diagonal (i + j = 0, 1, ..., level): the order in which pruning cuts."""
        node = {(0, 0): self.blocks["0_0"](x)}
        gated: dict[tuple[int, int], Tensor] = {}
        for diagonal in range(1, self.level + 1):
            node[diagonal, 0] = self.blocks[f"{diagonal}_0"](halve(node[diagonal - 1, 0]))  # Eq. 4, j = 0
            for j in range(1, diagonal + 1):
                i = diagonal - j
                g = self.ups[f"{i}"](node[i + 1, j - 1])
                for k in range(j):
                    if k == j - 1 or self.gate_per_target:
                        gated[i, k] = self._gate(i, j, k, g, node[i, k])
                skips = [gated[i, k] for k in range(j)]
                node[i, j] = self.blocks[f"{i}_{j}"](torch.cat([*skips, g], dim=1))  # Eq. 4, j > 0
        outputs = [self.heads[f"{j}"](node[0, j]) for j in range(1, self.level + 1)]
        return SegmentationOutput(outputs[-1], tuple(outputs[:-1]))

    def pruned(self, level: int) -> ANUNet:
        """A new network that holds only what L_level needs (section 3.5), with copies of this one's weights.

        Its output equals this network's head `level` exactly in evaluation mode. Raises `InputError` for a level that
        this network does not have.
        """
        if level > self.level:
            raise InputError(f"This ANU-Net has {self.level} levels and can't be pruned to {level}.")
        network = ANUNet(**self.options, level=level)
        weights = self.state_dict()
        network.load_state_dict({key: weights[key] for key in network.state_dict()})
        return network.to(next(self.parameters()).device).train(self.training)

    def _gate(self, i: int, j: int, k: int, g: Tensor, f: Tensor) -> Tensor:
        if not self.gates:
            return f
        marked = self.maps[f"{i}_{k}_to_{j}" if self.gate_per_target else f"{i}_{k}"]
        alpha = marked(torch.sigmoid(self.gates[f"{i}_{k}"](g, f)))  # Eq. 2
        return f * alpha  # Eq. 3

    def _add_maps(self, i: int, j: int) -> None:
        """Mark the coefficients that block X[i,j] brings with it."""
        if not self.gate_per_target:
            self.maps[f"{i}_{j - 1}"] = AttentionMap(f"gate {i},{j - 1}")
            return
        for k in range(j):
            self.maps[f"{i}_{k}_to_{j}"] = AttentionMap(f"gate {i},{j} from {i},{k}")


Network = ANUNet
