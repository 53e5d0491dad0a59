"""What the papers' tables compare: the numbers they print, and how each compared system is made here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from AttnSegLib.errors import InputError

_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class System:
    """One row of a table: a network with options as in `networks.create`, without channels, classes and width. loss: if
    it is not that of the paper's own network; alpha: of EC-CaM-UNet's Eq. 17. level: to which an ANU-Net is pruned
    after training."""

    network: str
    options: dict[str, Any] = field(default_factory=dict)
    loss: str | None = None
    level: int | None = None
    alpha: float | None = None

    @property
    def run_name(self) -> str:
        """A folder name for its runs: all levels of a network share them."""
        options = [f"{key}={value}" for key, value in self.options.items()]
        options += [] if self.alpha is None else [f"alpha={self.alpha}"]
        return "-".join([self.network, *options]).replace("True", "1").replace("False", "0")

    @property
    def scores_name(self) -> str:
        """A file name for its scores in the folder of a run."""
        return f"scores-L{self.level}.csv" if self.level else "scores.csv"


@dataclass(frozen=True)
class PrintedRow:
    """What is printed for a method, by metric: None where there is a dash. std: standard deviations, if printed."""

    method: str
    values: dict[str, float | None]
    std: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PrintedPart:
    """The part of a printed table on one data set or score, the group. metrics: its columns. notes: on all parts."""

    title: str
    group: str
    metrics: tuple[str, ...]
    units: tuple[str, ...]
    rows: tuple[PrintedRow, ...]
    notes: tuple[str, ...]


def system(paper: str, method: str) -> System:
    """The system that a paper's tables call `method`. Raises `InputError` for an unknown one."""
    own = _chosen(SYSTEMS, paper, "paper")
    baselines = {name: System(network, loss=BASELINE_LOSS.get(paper)) for name, network in BASELINES[paper].items()}
    return _chosen(baselines | own, method, f"system of {paper}")


def table_names(paper: str) -> list[str]:
    """A paper's tables of results. AF-Net's table5 is of cost; the blocks in it are no systems."""
    return list(_chosen(_printed(), paper, "paper"))


def published(paper: str, table: str) -> dict[str, PrintedPart]:
    """The parts of a printed table by group. Raises `InputError` for an unknown one."""
    whole = _chosen(_chosen(_printed(), paper, "paper"), table, f"table of {paper}")
    parts = {}
    for group, part in whole["groups"].items():
        rows = tuple(PrintedRow(**row) for row in part["rows"])
        metrics, units = tuple(part["metrics"]), tuple(part["units"])
        parts[group] = PrintedPart(whole["title"], group, metrics, units, rows, tuple(whole["notes"]))
    return parts


def _printed() -> Any:
    return json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))


def _chosen(among: dict[str, _Kind], name: str, kind: str) -> _Kind:
    if name not in among:
        raise InputError(f"There is no {kind} called '{name}'; choose one of: {', '.join(among)}.")
    return among[name]


def _af(attention: str = "none", *, mff: bool = False, gff: bool = False) -> System:
    return System("afnet", {"attention": attention, "mff": mff, "gff": gff})


def _ec(*parts: str, loss: str = "ec_cam_dice") -> System:
    """U-Net with parts of EC-CaM-UNet. Its hybrid loss needs the side output (dws)."""
    options = {part: part in parts for part in ("cc", "sc", "mus", "ec", "dws")}
    return System("eccamunet", options, None if "dws" in parts else loss)


BASELINES: dict[str, dict[str, str]] = {
    "af-net": {"U-Net": "unet", "Attention U-Net": "attentionunet", "CE-Net": "cenet"},
    "omega-net": {"FCN": "fcn", "U-Net": "unet", "U-Net++": "unetplusplus", "Attention U-Net": "attentionunet"},
    "ec-cam-unet": {
        "U-Net++": "unetplusplus", "DeepLabV3+": "deeplabv3plus", "Attention U-Net": "attentionunet", "DA-Net": "danet",
        "HR-Net": "hrnet", "SegFormer": "segformer", "CE-Net": "cenet", "MSU-Net": "msunet",
        "U-Net + SE": "seunet", "U-Net + CBAM": "cbamunet",
    },
    "ms-dual-guided": {"UNet": "unet", "UNet Attention": "attentionunet", "DAF": "daf", "DAF (baseline)": "daf"},
    "anu-net": {
        "U-Net": "unet", "R2U-Net": "r2unet", "UNet++": "unetplusplus", "Attention UNet": "attentionunet",
        "Attention R2U-Net": "attentionr2unet",
    },
}  # fmt: skip

BASELINE_LOSS = {"ec-cam-unet": "ec_cam_dice"}  # U-Net of its tables 1, 2 is Dice of table 4, and stands for all

ALPHAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of EC-CaM-UNet's Fig. 5

SYSTEMS: dict[str, dict[str, System]] = {
    "af-net": {
        "ResNet-34 backbone": _af(),
        "ResNet-34 + MFF-block": _af(mff=True),
        "ResNet-34 + GFF-block": _af(gff=True),
        "ResNet-34 + DA-block": _af("parallel"),
        "ResNet-34 + MFF-block + GFF-block": _af(mff=True, gff=True),
        "ResNet-34 + MFF-block + GFF-block + attention (in serial)": _af("serial", mff=True, gff=True),
        "AF-Net": System("afnet"),
    },
    "omega-net": {"Omega-Net (MDA*-U-Net*)": System("omeganet")},
    "ec-cam-unet": {
        "U-Net": _ec(),
        "U-Net + CC": _ec("cc"),
        "U-Net + SC": _ec("sc"),
        "U-Net + MuS": _ec("mus"),
        "U-Net + EC": _ec("ec"),
        "U-Net + DWS": _ec("dws"),
        "U-Net + CoA": _ec("cc", "sc"),
        "U-Net + CC + SC (CoA)": _ec("cc", "sc"),
        "U-Net + CC + SC + MuS (CoAG-MuSFu)": _ec("cc", "sc", "mus"),
        "U-Net + CC + SC + MuS + EC": _ec("cc", "sc", "mus", "ec"),
        "EC-CaM-UNet (CC + SC + MuS + EC + DWS)": System("eccamunet"),
        "CoA -> MuS (series)": System("eccamunet", {"fusion": "series"}),
        "CoA + MuS (sum)": System("eccamunet", {"fusion": "sum"}),
        "EC-CaM-UNet (concat + 1x1 conv)": System("eccamunet"),
        "EC-CaM-UNet": System("eccamunet"),
        **{f"alpha = {alpha}": System("eccamunet", alpha=alpha) for alpha in ALPHAS},
        "Dice": _ec(loss="ec_cam_dice"),
        "BCE": _ec(loss="bce"),
        "Dice + BCE": _ec(loss="ec_cam_dice_bce"),
    },
    "ms-dual-guided": {
        "DANet": System("danet", loss="cross_entropy"),  # the paper's loss would leave out its main head
        "PAN (ResNet34)": System("pan", {"backbone": "resnet34"}),
        "PAN (ResNet101)": System("pan", {"backbone": "resnet101"}),
        "Proposed (PAM)": System("msdualguided", {"attention": "pam", "stages": 1, "guided": False}),
        "Proposed (CAM)": System("msdualguided", {"attention": "cam", "stages": 1, "guided": False}),
        "Proposed (DualNet)": System("msdualguided", {"attention": "dual", "stages": 1, "guided": False}),
        "Proposed (MS-Dual)": System("msdualguided", {"attention": "dual", "stages": 2, "guided": False}),
        "Proposed (MS-Dual-Guided)": System("msdualguided"),
    },
    "anu-net": {
        "ANU-Net": System("anunet"),
        **{f"ANU-Net L{level}": System("anunet", level=level) for level in (1, 2, 3, 4)},
    },
}
