"""Size and cost of every network at the width of its paper, as `attnseg networks` lists them. No torch.

These are the results of `cost.count_network`, kept because counting takes up to two seconds a network. A test counts
again, and prints the line that belongs here.
"""

from __future__ import annotations

from dataclasses import dataclass

from AttnSegLib import networks
from AttnSegLib.networks.references import reference_of


@dataclass(frozen=True)
class CountedNetwork:
    """A network with one channel in and one class out.

    Args:
        parameters: their number.
        gmacs_256, gmacs_512: thousands of millions of multiply-accumulates for a slice of 256 x 256, of 512 x 512.
        mb_512: the largest sum of activations at one time for a slice of 512 x 512, in MB.
        maps: number of attention maps.
        published: the figure that a paper prints.
    """

    parameters: int
    gmacs_256: float
    gmacs_512: float
    mb_512: int
    maps: int
    published: str


COUNTED = {
    "afnet": CountedNetwork(30_734_369, 7.0, 27.9, 101, 16, "72.71 MB, 5.34 G at 3x224x224 (Table 5)"),
    "anunet": CountedNetwork(8_950_594, 30.7, 122.8, 711, 10, "8.9506 M parameters (Table 6): equal"),
    "eccamunet": CountedNetwork(55_759_635, 62.7, 252.3, 432, 1, "none printed"),
    "msdualguided": CountedNetwork(59_311_807, 104.7, 625.0, 176, 8, "none printed"),
    "omeganet": CountedNetwork(72_497_474, 178.3, 713.3, 935, 40, "none printed"),
    "attentionr2unet": CountedNetwork(39_442_797, 153.6, 614.2, 768, 4, "none printed"),
    "attentionunet": CountedNetwork(
        34_877_421, 66.3, 265.4, 499, 4, "453.82 MB, 51.0 G at 3x224x224 (AF-Net's Table 5)"
    ),
    "cbamunet": CountedNetwork(31_167_651, 48.1, 192.4, 432, 1, "none printed"),
    "cenet": CountedNetwork(28_996_821, 6.6, 26.4, 84, 0, "62.96 MB, 4.57 G at 3x224x224 (AF-Net's Table 5)"),
    "daf": CountedNetwork(43_851_555, 14.7, 59.0, 90, 4, "none printed"),
    "danet": CountedNetwork(66_420_805, 70.3, 294.1, 143, 1, "none printed"),
    "deeplabv3plus": CountedNetwork(22_431_185, 7.8, 31.1, 86, 0, "none printed"),
    "fcn": CountedNetwork(32_940_481, 34.5, 137.9, 143, 0, "none printed"),
    "hrnet": CountedNetwork(9_635_089, 4.6, 18.3, 55, 0, "none printed"),
    "msunet": CountedNetwork(47_084_545, 75.8, 303.3, 283, 0, "none printed"),
    "pan": CountedNetwork(21_469_544, 7.3, 29.4, 34, 0, "none printed"),
    "r2unet": CountedNetwork(39_091_265, 152.5, 609.9, 768, 0, "none printed"),
    "segformer": CountedNetwork(3_711_265, 1.7, 7.7, 165, 0, "none printed"),
    "seunet": CountedNetwork(31_168_641, 48.1, 192.4, 433, 0, "none printed"),
    "unet": CountedNetwork(34_525_889, 65.3, 261.1, 499, 0, "none printed"),
    "unetplusplus": CountedNetwork(9_162_852, 34.5, 137.8, 484, 0, "none printed"),
}


def networks_table(*, baselines: bool = False) -> list[str]:
    """Lines of a table of the networks. baselines: whether those that the papers compare with are there, too."""
    head = f"{'network':16}{'paper':24}{'parameters':>12}{'GMACs 256':>11}{'GMACs 512':>11}{'MB 512':>8}{'maps':>6}"
    hidden = [] if baselines else networks.baseline_names()
    return [
        f"{head}  figure in the paper",
        *(_row(name, counted) for name, counted in COUNTED.items() if name not in hidden),
        "At the paper's width, with one channel in and one class out. Trained models are smaller, see their cards.",
    ]


def _row(name: str, counted: CountedNetwork) -> str:
    macs = f"{counted.gmacs_256:11.1f}{counted.gmacs_512:11.1f}"
    size = f"{counted.parameters:12,}{macs}{counted.mb_512:8}{counted.maps:6}"
    return f"{name:16}{reference_of(name).short:24}{size}  {counted.published}"
