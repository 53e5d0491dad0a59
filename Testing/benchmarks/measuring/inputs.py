"""Made-up scans with a known organ, and the papers' networks with weights that find it."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor, nn

from AttnSegLib import networks
from AttnSegLib.images.volume import Volume, read_label_map, read_volume, to_image
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.places import resource_folder
from AttnSegLib.models.preprocessing import Preprocessing

NETWORKS = tuple(name for name in networks.network_names() if name not in networks.baseline_names())
CLASSES = 2  # background and organ: a softmax over two is what all peers know
_HEADS = {"anunet": "heads.", "msdualguided": "last_heads."}  # layers that make the logits; of the others "head"
_CPU = torch.device("cpu")
_TRAINING = {"afnet": (40, 3e-6), "msdualguided": (0, 0.0)}  # steps, learning rate; others (10, 1e-4): these come apart
_PIECE = slice(64, 192)  # of rows and columns, around the organ: training takes a second a step then
_MULTIPLE = 32  # of all five networks


@dataclass(frozen=True, eq=False)
class Case:
    """volume: the scan; organ: (D, H, W) bool, where it is; preprocessing: for every network."""

    title: str
    volume: Volume
    organ: np.ndarray
    preprocessing: Preprocessing

    def slices(self) -> Tensor:
        """(D, 1, H, W), as a network sees them."""
        stack = SliceStack.of(self.volume, self.preprocessing)
        return stack.slices(list(range(len(stack))))

    def write(self, path: Path) -> None:
        """As an image file."""
        sitk.WriteImage(to_image(self.volume.voxels, self.volume.affine), str(path), useCompression=True)


def mr(slices: int, size: int = 256) -> Case:
    """An MR of 0.9 x 0.9 x 2.5 mm; percentiles become 0 and 1."""
    preprocessing = Preprocessing("axial", percentiles=(0.5, 99.5), multiple=_MULTIPLE)
    return _case(f"MR {size}x{size}x{slices}", (slices, size, size), (60, 350, 800), preprocessing)


def ct(slices: int, size: int = 512) -> Case:
    """A CT of 0.8 x 0.8 x 1.5 mm in HU; a window becomes 0 and 1."""
    preprocessing = Preprocessing("axial", window=(-160.0, 240.0), multiple=_MULTIPLE)
    return _case(f"CT {size}x{size}x{slices}", (slices, size, size), (-1000, 20, 150), preprocessing)


def as_seen(spec: ModelSpec, slices: int) -> Case:
    """The middle slices of the sample scan of the left atrium as a model sees them, so that nobody has to resample."""
    sample = resource_folder("Samples") / "left_atrium_mr"
    scan = read_volume(sample / "image.nrrd")
    stack = SliceStack.of(scan, spec.preprocessing)
    first = (len(stack) - slices) // 2
    numbers = list(range(first, first + slices))
    voxels = stack.slices(numbers)[:, 0].numpy()
    organ = stack.targets(read_label_map(sample / "labels.nrrd", scan), numbers, 1).numpy() == 1
    title = f"{slices} slices of a real MR, {voxels.shape[1]}x{voxels.shape[2]}"
    as_it_is = Preprocessing("axial", window=(0.0, 1.0), multiple=spec.preprocessing.multiple)
    return Case(title, Volume(voxels, np.eye(4)), organ, as_it_is)  # slices of such a volume are taken as they lie


def long_scan(slices: int, size: int) -> Volume:
    """A CT that takes no more memory to make than it has: ten slices again and again."""
    few = ct(10, size).volume
    return Volume(np.tile(few.voxels, (slices // 10, 1, 1)), few.affine)


def _case(title: str, shape: tuple[int, int, int], levels: tuple[int, int, int], preprocessing: Preprocessing) -> Case:
    """levels: intensities of air, body and organ. No voxel of the air is 0, so that nnU-Net crops nothing away."""
    rng = np.random.default_rng(0)
    noise = (levels[2] - levels[1]) // 25
    voxels = rng.integers(-noise, noise, shape, dtype=np.int16)
    inside = _ellipsoid(shape, (0.5, 0.5), (9.0, 0.42, 0.36))
    organ = _ellipsoid(shape, (0.45, 0.55), (0.55, 0.17, 0.14))
    voxels += np.where(organ, levels[2], np.where(inside, levels[1], levels[0])).astype(np.int16)
    spacing = (0.9, 0.9, 2.5) if preprocessing.percentiles else (0.8, 0.8, 1.5)
    return Case(title, Volume(voxels, np.diag([*spacing, 1.0])), organ, preprocessing)


def _ellipsoid(
    shape: tuple[int, int, int], centre: tuple[float, float], radii: tuple[float, float, float]
) -> np.ndarray:
    """centre: of a slice; radii: all in shares of the shape."""
    k, j, i = np.ogrid[tuple(slice(n) for n in shape)]
    depth, height, width = shape
    distance = ((k + 0.5) / depth - 0.5) ** 2 / radii[0] ** 2
    distance = distance + ((j / height - centre[0]) / radii[1]) ** 2 + ((i / width - centre[1]) / radii[2]) ** 2
    return distance < 1


@functools.cache
def a_network(name: str, device: torch.device = _CPU, **options: object) -> nn.Module:
    """A network of the paper's width that finds the organ of the scans here.

    Its batch statistics are those of two slices, its last layer is a least squares fit to the organ on the features
    that random weights make, and some steps of training make the rest decided enough for label maps to be compared in
    earnest: of a network that nobody trained, bfloat16 flips pixels. Made once; whoever changes it takes a copy.
    """
    torch.manual_seed(0)
    network = networks.create(name, num_classes=CLASSES, **options)
    for parameter_name, parameter in network.named_parameters():
        if parameter_name.endswith("gamma"):  # starts at 0, where attention does nothing
            nn.init.constant_(parameter, 0.1)
    case = mr(2)
    slices, organ = case.slices(), torch.from_numpy(case.organ[:, None]).float()
    statistics = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in statistics:
        module.momentum = None  # the mean of what was seen, with nothing of the start
    with torch.no_grad():
        network.train()(slices)
        network.eval()
        _fit_heads(network, _HEADS.get(name, "head"), slices, organ)
    pieces = (values[:, :, _PIECE, _PIECE].to(device) for values in (slices, organ))
    return _trained(network.to(device), *pieces, *_TRAINING.get(name, (10, 1e-4)))


def _trained(network: nn.Module, slices: Tensor, organ: Tensor, steps: int, rate: float) -> nn.Module:
    """For some steps, batch statistics as they are."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
    for _ in range(steps):
        noisy = slices + 0.02 * torch.randn_like(slices)
        loss = nn.functional.cross_entropy(network(noisy).logits, organ[:, 0].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def _fit_heads(network: nn.Module, prefix: str, slices: Tensor, organ: Tensor) -> None:
    seen: dict[nn.Conv2d, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda layer, inputs, _output: seen.__setitem__(layer, inputs[0]))
        for title, module in network.named_modules()
        if title.startswith(prefix) and isinstance(module, nn.Conv2d) and module.out_channels == CLASSES
    ]
    network(slices)
    for hook in hooks:
        hook.remove()
    for layer, features in seen.items():
        _fit(layer, features, organ)


def _fit(layer: nn.Conv2d, features: Tensor, organ: Tensor) -> None:
    """A ridge regression of +-8 for organ and background, shifted so that as many pixels as the organ has are above 0;
    half of it, and half with the other sign, for the two classes."""
    target = nn.functional.interpolate(organ, features.shape[2:], mode="area").flatten() * 16 - 8
    rows = features.double().permute(0, 2, 3, 1).flatten(0, 2)
    rows = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
    gram = rows.T @ rows
    ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    solution = torch.linalg.solve(gram + ridge, rows.T @ target.double())
    solution[-1] -= torch.quantile(rows @ solution, float((target <= 0).double().mean()))
    solution = solution.float() / 2
    layer.weight.zero_()
    row, column = (math.floor(side / 2) for side in layer.kernel_size)
    layer.weight[:, :, row, column] = torch.stack([-solution[:-1], solution[:-1]])
    if layer.bias is not None:
        layer.bias.copy_(torch.stack([-solution[-1], solution[-1]]))
