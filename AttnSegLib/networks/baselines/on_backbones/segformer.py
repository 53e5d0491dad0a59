"""SegFormer: a transformer encoder of four levels, and a decoder that only mixes channels.

E. Xie, W. Wang, Z. Yu, A. Anandkumar, J. M. Alvarez, P. Luo: "SegFormer: Simple and efficient design for semantic
segmentation with transformers", NeurIPS 2021. The transformers library's implementation, never its weights. Its
self-attention is not marked: that would mean to replace parts inside the library's layers.
"""

from __future__ import annotations

from torch import Tensor, nn
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from AttnSegLib.errors import InputError
from AttnSegLib.networks.blocks import resize
from AttnSegLib.networks.output import SegmentationOutput

LAYOUTS = {  # Table 6: channels for each head, and blocks of each level
    "mit_b0": (32, [2, 2, 2, 2]),
    "mit_b1": (64, [2, 2, 2, 2]),
    "mit_b2": (64, [3, 4, 6, 3]),
    "mit_b3": (64, [3, 4, 18, 3]),
    "mit_b4": (64, [3, 8, 27, 3]),
    "mit_b5": (64, [3, 6, 40, 3]),
}


class SegFormer(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 32, to logits (N, num_classes, H, W).

    backbone: "mit_b0" to "mit_b5". width: channels of its first level, None for the paper's; the further levels have 2,
    5 and 8 times as many, and the decoder 256 (the paper: 768 from b2 on).
    """

    published = "none printed"

    size_multiple = 32

    def __init__(
        self, in_channels: int = 1, num_classes: int = 1, *, width: int | None = None, backbone: str = "mit_b0"
    ):
        if backbone not in LAYOUTS:
            raise InputError(f"There is no backbone '{backbone}'; choose one of: {', '.join(LAYOUTS)}.")
        super().__init__()
        own_width, depths = LAYOUTS[backbone]
        config = SegformerConfig(
            num_channels=in_channels,
            num_labels=num_classes,
            depths=depths,
            hidden_sizes=[(width or own_width) * factor for factor in (1, 2, 5, 8)],
            decoder_hidden_size=256,
        )
        self.network = SegformerForSemanticSegmentation(config)

    def forward(self, x: Tensor) -> SegmentationOutput:
        return SegmentationOutput(resize(self.network(x).logits, (x.shape[2], x.shape[3])))


Network = SegFormer
