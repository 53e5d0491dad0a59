"""MS-Dual-Guided: multi-scale features refined in two steps of position and channel attention, guided by autoencoders.

A. Sinha, J. Dolz: "Multi-scale self-guided attention for medical image segmentation", IEEE Journal of Biomedical and
Health Informatics 25(1) (2021) 121-130, arXiv 1906.02849. Equation numbers are the paper's. Where its text is silent,
the published code (github.com/sinAshish/Multi-Scale-Attention) decided; this file is written from a description of it.

- Backbone: the paper says ResNet-101, its code uses ResNeXt-101 32x8d; both are options.
- "Matrix multiplication" with the reconstruction and with F_MS is element-wise in the code, and here.
- Position attention: Eq. 2 normalises over i where its index should be j; the same up to a transpose. No scale.
- Channel attention: softmax(max(G) - G) of the code, not Eq. 4's softmax(G), which is the identity (`dual_printed`).
- Eq. 11 prints squared norms; the code's means are taken, since sums would make the weights 0.25 and 0.1 meaningless.
- Left out: 955,412 parameters of the code that nothing uses.
- Ablations (section IV-C): with one step there is nothing to guide, and the features are refined as in DAF, by
  convolutions over [F'_s, A_s * F_MS]; two steps without guidance drop the factor of Eq. 6.
- The DAF baseline ("daf") is the same network whose A_s comes from convolutions and a softmax over the channels.
- The heads return logits; softmax belongs to the loss and to inference. Convolutions start with
  Xavier's normal weights and batch normalisation with weights N(1, 0.02), as in the code.

logits: mean of the last heads. auxiliary: all heads of the loss (Eq. 11): four on each scale, four of the last step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from AttnSegLib.errors import InputError
from AttnSegLib.networks.attention import ChannelCoefficients, SelfAttention, ShownMap
from AttnSegLib.networks.blocks import DoubleConv, full_precision, halve, resize
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.networks.override import gammas
from AttnSegLib.networks.resnet import ResNet

SCALES = 4
ATTENTIONS = {
    "daf": ("none",),
    "pam": ("position",),
    "cam": ("channel",),
    "dual": ("position", "channel"),
    "dual_printed": ("position", "printed channel"),
}
GUIDANCE, RECONSTRUCTION = 0.25, 0.1  # Eq. 11


class MSDualGuidedPositionAttention(nn.Module):
    """PAM, Eq. 2 and 3: (N, C, H, W) to the same; every position looks at every position."""

    def __init__(self, channels: int, title: str):
        super().__init__()
        inner = max(channels // 8, 1)
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.attend = SelfAttention(f"{title} position attention")
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (convolution(x).flatten(2).transpose(1, 2) for convolution in (self.query, self.key, self.value))
        seen = self.attend(q, k, v, (x.shape[2], x.shape[3])).transpose(1, 2).reshape(x.shape)
        return self.gamma * seen + x


class MSDualGuidedChannelAttention(nn.Module):
    """CAM, Eq. 4 and 5: (N, C, H, W) to the same; every channel looks at the channels least like it."""

    def __init__(self, _channels: int, title: str):
        super().__init__()
        self.coefficients = ChannelCoefficients(f"{title} channel attention")
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        with full_precision(x):
            channels = x.float().flatten(2)
            products = channels @ channels.transpose(1, 2)
            a = self.coefficients(torch.softmax(self.likeness(products), dim=2))
            seen = (a @ channels).reshape(x.shape)
        return self.gamma * seen.to(x.dtype) + x

    def likeness(self, products: Tensor) -> Tensor:
        """What the softmax is taken of, (N, C, C): as in the published code, the least alike weigh most."""
        return products.amax(dim=2, keepdim=True) - products


class PrintedChannelAttention(MSDualGuidedChannelAttention):
    """CAM with Eq. 4 as printed: every channel looks at the channels most like it, which is itself."""

    def likeness(self, products: Tensor) -> Tensor:
        return products


BRANCHES = {
    "position": MSDualGuidedPositionAttention,
    "channel": MSDualGuidedChannelAttention,
    "printed channel": PrintedChannelAttention,
    "none": nn.Identity,  # takes any arguments; DAF has its softmax after the convolutions
}


class Autoencoder(nn.Module):
    """The semantic guide of one step: (N, 2C, H, W) to its code (N, 8C, H/4, W/4) and reconstruction (N, 2C, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.encoder = nn.ModuleList([DoubleConv(channels, 2 * channels), DoubleConv(2 * channels, 4 * channels)])
        self.decoder = nn.Sequential(
            DoubleConv(4 * channels, 2 * channels),
            nn.ConvTranspose2d(2 * channels, 2 * channels, kernel_size=2, stride=2),
            DoubleConv(2 * channels, channels),
            nn.ConvTranspose2d(channels, channels, kernel_size=2, stride=2),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = x
        for block in self.encoder:
            code = halve(block(code))
        return code, self.decoder(code)


class Attention(nn.Module):
    """The attention of one scale in one step: (N, 2C, H, W) to (N, C, H, W)."""

    def __init__(self, channels: int, kinds: tuple[str, ...], title: str):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(conv(2 * channels, channels, 3), BRANCHES[kind](channels, title), conv(channels, channels, 3))
            for kind in kinds
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([branch(x) for branch in self.branches]).sum(dim=0)  # Eq. 5


class ChannelSoftmax(nn.Module):
    """DAF's coefficients: a softmax over the channels of each pixel, (N, C, H, W). Marked is the largest coefficient
    of each pixel, which tells how selective the attention is there; the mean is the same everywhere."""

    def __init__(self, title: str):
        super().__init__()
        self.largest = ShownMap(f"{title} channel selection")

    def forward(self, x: Tensor) -> Tensor:
        coefficients = torch.softmax(x, dim=1)
        self.largest(coefficients.amax(dim=1, keepdim=True))
        return coefficients


class SingleStep(nn.Module):
    """The only step of the ablations and of DAF: attention A_s weighs F_MS, and convolutions refine both."""

    def __init__(self, channels: int, attention: str):
        super().__init__()
        titles = [f"scale {scale}" for scale in range(1, SCALES + 1)]
        self.attention = nn.ModuleList(
            nn.Sequential(
                Attention(channels, ATTENTIONS[attention], title),
                nn.Conv2d(channels, channels, 1),
                ChannelSoftmax(title) if attention == "daf" else nn.Identity(),
            )
            for title in titles
        )
        self.refine = nn.ModuleList(
            nn.Sequential(conv(2 * channels, channels, 3), conv(channels, channels, 3), conv(channels, channels, 1))
            for _ in titles
        )

    def forward(self, scales: list[Tensor], fused: Tensor) -> list[Tensor]:
        refined = []
        for x, attention, refine in zip(scales, self.attention, self.refine, strict=True):
            coefficients = attention(torch.cat([x, fused], dim=1))
            refined.append(refine(torch.cat([x, coefficients * fused], dim=1)))
        return refined


class Step(nn.Module):
    """One step over all scales: attention, guided by what an autoencoder keeps of its input."""

    def __init__(self, channels: int, kinds: tuple[str, ...], number: int, *, guided: bool):
        super().__init__()
        titles = [f"scale {scale} step {number}" for scale in range(1, SCALES + 1)]
        self.attention = nn.ModuleList(Attention(channels, kinds, title) for title in titles)
        self.autoencoder = Autoencoder(2 * channels) if guided else None
        self.guides = nn.ModuleList(nn.Conv2d(2 * channels, channels, 3, padding=1) for _ in titles if guided)
        self.projections = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in titles)

    def forward(self, scales: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """(N, 2C, H, W) of each scale to (N, C, H, W), the codes, and the reconstruction errors."""
        refined, codes, errors = [], [], []
        for number, x in enumerate(scales):
            y = self.attention[number](x)
            if self.autoencoder is not None:
                code, reconstruction = self.autoencoder(x)
                y = y * self.guides[number](reconstruction)  # Eq. 6
                codes.append(code)
                errors.append(mse_loss(reconstruction.float(), x.float()))  # Eq. 8, 9
            refined.append(self.projections[number](y))
        return refined, codes, errors


class MSDualGuided(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 32, to logits (N, num_classes, H, W).

    Args:
        width: channels of the stem and of every scale (paper: 64).
        backbone: "resnet101", "resnext101_32x8d", "resnet50" or "resnet34".
        attention: "dual" (position and channel), "pam" (position), "cam" (channel), "dual_printed" (both, with Eq. 4 as
            printed), or "daf" (neither: the baseline).
        stages: attention steps, 1 or 2.
        guided: whether autoencoders guide the two steps.
        gamma: where the learnt weights of all attention begin (paper: 0, which is without any).

    Raises:
        InputError: for options that do not exist, or do not fit each other.
    """

    published = "none printed"
    size_multiple = 32

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 1,
        *,
        width: int = 64,
        backbone: str = "resnet101",
        attention: str = "dual",
        stages: int = 2,
        guided: bool = True,
        gamma: float = 0.0,
    ):
        _check(attention, stages, guided)
        super().__init__()
        self.backbone = ResNet(backbone, in_channels, width=width)
        self.down = nn.ModuleList(conv(c, width, 1) for c in self.backbone.channels)
        self.fuse = nn.Sequential(conv(SCALES * width, width, 3), conv(width, width, 3), conv(width, width, 1))
        self.single_step = SingleStep(width, attention) if stages == 1 else None
        numbers = (1, 2) if stages == 2 else ()
        self.steps = nn.ModuleList(Step(width, ATTENTIONS[attention], n, guided=guided) for n in numbers)
        self.first_heads = nn.ModuleList(nn.Conv2d(width, num_classes, 1) for _ in range(SCALES))
        self.last_heads = nn.ModuleList(nn.Conv2d(width, num_classes, 1) for _ in range(SCALES))
        self.apply(_initialise)
        for weight in gammas(self).values():
            weight.fill_(gamma)

    def forward(self, x: Tensor) -> SegmentationOutput:
        features = self.backbone(x)
        size = (features[0].shape[2], features[0].shape[3])
        scales = [resize(down(f), size) for down, f in zip(self.down, features, strict=True)]
        fused = self.fuse(torch.cat(scales[::-1], dim=1))  # Eq. 1: F_MS
        one = self.single_step
        refined, penalty = (one(scales, fused), None) if one is not None else self._two_steps(scales, fused)
        first = [head(scale) for head, scale in zip(self.first_heads, scales, strict=True)]
        last = [head(r) for head, r in zip(self.last_heads, refined, strict=True)]
        heads = tuple(resize(head, (x.shape[2], x.shape[3])) for head in (*first, *last))
        logits = torch.stack(heads[SCALES:]).mean(dim=0)
        return SegmentationOutput(logits, heads, penalty)

    def _two_steps(self, scales: list[Tensor], fused: Tensor) -> tuple[list[Tensor], Tensor | None]:
        first, second = self.steps
        attention, codes_1, errors_1 = first([torch.cat([x, fused], dim=1) for x in scales])
        again = [torch.cat([x, a * fused], dim=1) for x, a in zip(scales, attention, strict=True)]
        refined, codes_2, errors_2 = second(again)
        return refined, _penalty([codes_1, codes_2], errors_1 + errors_2)


def _penalty(codes: list[list[Tensor]], errors: list[Tensor]) -> Tensor | None:
    """Guided and reconstruction loss of Eq. 11, weighted; None without autoencoders."""
    if not errors:
        return None
    guidance = torch.stack([mse_loss(one.float(), two.float()) for one, two in zip(*codes, strict=True)])  # Eq. 7
    return GUIDANCE * guidance.sum() + RECONSTRUCTION * torch.stack(errors).sum()


def conv(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """Convolution, batch normalisation, PReLU."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.PReLU())


def _check(attention: str, stages: int, guided: bool) -> None:
    if attention not in ATTENTIONS:
        raise InputError(f"MS-Dual-Guided's attention can be {', '.join(ATTENTIONS)}, not '{attention}'.")
    if stages not in (1, 2):
        raise InputError(f"MS-Dual-Guided has 1 or 2 attention steps (stages), not {stages}.")
    if guided and stages == 1:
        raise InputError("MS-Dual-Guided's guidance compares two steps: with stages=1, guided must be False.")
    if attention == "daf" and stages == 2:
        raise InputError("MS-Dual-Guided's baseline 'daf' has one step: give it stages=1.")


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.xavier_normal_(module.weight)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


Network = MSDualGuided
