"""The table that no paper has: all five networks, what their papers compare them with, and parts left out of them.

All compact, with 2 to 4 million parameters, so that rows differ by their design and not by their size: the five as the
models that AttnSeg ships, a baseline at about a quarter of its full width.
"""

from __future__ import annotations

from dataclasses import replace

from AttnSegLib.errors import InputError
from training.papers.printed import printed
from training.papers.systems import System, system

WIDTHS = {  # SegFormer is small at its full width
    "afnet": 20, "anunet": 16, "eccamunet": 16, "msdualguided": 14, "omeganet": 12,
    "attentionr2unet": 16, "attentionunet": 18, "cbamunet": 18, "cenet": 20, "daf": 16, "danet": 14,
    "deeplabv3plus": 22, "fcn": 18, "hrnet": 9, "msunet": 8, "pan": 24, "r2unet": 16, "seunet": 18, "unet": 18,
    "unetplusplus": 16,
}  # fmt: skip

REFERENCE = "U-Net"

_OMEGA = {"channel_scale": "mean"}  # as the shipped model, which is what trains well

FIVE: dict[str, System] = {
    "AF-Net": System("afnet"),
    "ANU-Net": System("anunet"),
    "EC-CaM-UNet": System("eccamunet"),
    "MS-Dual-Guided": System("msdualguided"),
    "Omega-Net": System("omeganet", _OMEGA),
}

BASELINES: dict[str, System] = {
    REFERENCE: System("unet"),
    "U-Net++": System("unetplusplus"),
    "Attention U-Net": System("attentionunet"),
    "CE-Net": System("cenet"),
    "DeepLabV3+": System("deeplabv3plus"),
    "PAN": System("pan"),
    "DAF": System("daf"),
    "FCN": System("fcn"),
    "SegFormer": System("segformer"),
    "HR-Net": System("hrnet"),
    "DA-Net": System("danet"),
    "U-Net + SE": System("seunet"),
    "U-Net + CBAM": System("cbamunet"),
    "MSU-Net": System("msunet"),
    "R2U-Net": System("r2unet"),
    "Attention R2U-Net": System("attentionr2unet"),
}


def _of(paper: str, *methods: str) -> dict[str, System]:
    """Rows of a paper's ablation, without its loss: all rows here have the same."""
    names = {"af-net": "AF-Net", "ec-cam-unet": "EC-CaM-UNet", "ms-dual-guided": "MS-Dual-Guided"}
    return {f"{names[paper]}: {method}": replace(system(paper, method), loss=None) for method in methods}


ABLATIONS: dict[str, System] = {
    "EC-CaM-UNet: Eq. 9 as printed": System("eccamunet", {"scale": 1.0}),
    "Omega-Net: Eq. 10 and 12 as printed": System("omeganet", {"scale": 1.0, "channel_scale": "none"}),
    "MS-Dual-Guided: Eq. 4 as printed": System("msdualguided", {"attention": "dual_printed"}),
    **{f"ANU-Net: L{level}": System("anunet", level=level) for level in (1, 2, 3)},
    "ANU-Net: without gates": System("anunet", {"gates": False}),
    **_of(
        "af-net",
        "ResNet-34 backbone",
        "ResNet-34 + MFF-block",
        "ResNet-34 + GFF-block",
        "ResNet-34 + DA-block",
        "ResNet-34 + MFF-block + GFF-block",
        "ResNet-34 + MFF-block + GFF-block + attention (in serial)",
    ),
    "Omega-Net: without attention": System("omeganet", {"mdsa": False}),
    "Omega-Net: without multi-scale convolutions": System("omeganet", {"msc": False, **_OMEGA}),
    "Omega-Net: without its second path": System("omeganet", {"dual": False, "mdsa": False}),
    **_of(
        "ec-cam-unet",
        "U-Net",
        "U-Net + CC",
        "U-Net + SC",
        "U-Net + CoA",
        "U-Net + MuS",
        "U-Net + EC",
        "U-Net + CC + SC + MuS (CoAG-MuSFu)",
        "U-Net + CC + SC + MuS + EC",
        "CoA -> MuS (series)",
        "CoA + MuS (sum)",
    ),
    **_of(
        "ms-dual-guided",
        "Proposed (PAM)",
        "Proposed (CAM)",
        "Proposed (DualNet)",
        "Proposed (MS-Dual)",
    ),
}

_TABLES = ("table1", "table2", "table3", "table5")  # of EC-CaM-UNet; table 4 is of losses


def published_dice(title: str) -> float | None:
    """What EC-CaM-UNet's paper prints for a row on its set "Cardiac", percent; None if it does not have it."""
    method = title.removeprefix("EC-CaM-UNet: ")
    for table in _TABLES:
        if method in (rows := printed("ec-cam-unet", table, "heart").rows):
            return rows[method]["DSC"]
    return None


def title_of(network: str) -> str:
    """What people call a network of `AttnSegLib.networks`."""
    return next(title for title, one in (FIVE | BASELINES).items() if one.network == network)


def row(title: str) -> System:
    """The system of a row, at its compact width. Raises `InputError` for an unknown one."""
    rows = FIVE | BASELINES | ABLATIONS
    if title not in rows:
        raise InputError(f"The comparison has no row '{title}'; its rows are: {', '.join(rows)}.")
    one = rows[title]
    width = {"width": WIDTHS[one.network]} if one.network in WIDTHS else {}
    return replace(one, options={**one.options, **width})
