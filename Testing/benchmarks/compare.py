"""Ours and the others side by side, same weights and same slices: python -m Testing.benchmarks --only compare

No time is printed for an output that differs from the reference, the papers' way in float32.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torch import nn

from Testing.benchmarks import inputs, peers
from Testing.benchmarks.inputs import Case
from Testing.benchmarks.peers import Peer, Setting
from Testing.benchmarks.turns import Seconds, in_turns

EQUAL, DICE_CHANGE = 0.999, 0.001  # at least so many voxels, less than so much
_WITH_FILES = tuple(peer for peer in peers.ALL if peer not in (peers.ONNX_RUNTIME, peers.OPENVINO))


@dataclass(frozen=True)
class Extent:
    """Slices of an MR for the network alone, of an MR and a CT from file to file, and rounds.

    mirrored: whether nnU-Net's mirroring takes part, four passes a slice.
    """

    alone: int
    mr: int
    ct: int
    rounds: int
    mirrored: bool = True


_WHOLE = Extent(110, 110, 300, 5)
_QUICK = Extent(2, 0, 0, 3, mirrored=False)
_SMALL = {  # what two cores do in eight minutes; time a slice does not depend on how many there are
    "anunet": Extent(2, 4, 1, 3),
    "afnet": Extent(4, 8, 2, 3),
    "eccamunet": Extent(1, 1, 0, 2, mirrored=False),
    "msdualguided": Extent(1, 0, 0, 2, mirrored=False),
    "omeganet": Extent(1, 0, 0, 2, mirrored=False),
}


def extent(name: str, *, quick: bool, full: bool) -> Extent:
    """How much of a network."""
    return _WHOLE if full else _QUICK if quick else _SMALL[name]


def tables(name: str, extent: Extent, device: torch.device, threads: int) -> Iterator[Table]:
    """Of one network, one after the other."""
    network = inputs.a_network(name, device)

    def contest(case: Case) -> Contest:
        return Contest(name, network, case, Setting.of(case, device, threads), extent.rounds)

    def who(all_peers: Sequence[Peer]) -> list[Peer]:
        return [
            peer
            for peer in all_peers
            if (extent.mirrored or not peer.mirrored) and (device.type == "cuda" or peer.precision == "float32")
        ]

    yield contest(inputs.mr(extent.alone)).network_alone(who(peers.ALL))
    if extent.mr:
        yield contest(inputs.mr(extent.mr)).end_to_end(who(_WITH_FILES))
    if extent.ct:
        yield contest(inputs.ct(extent.ct)).end_to_end(who(_WITH_FILES))


@dataclass(frozen=True)
class Agreement:
    """With the reference. equal: share of voxels; dice_change: of the Dice with the organ."""

    equal: float
    dice_change: float

    @classmethod
    def of(cls, labels: np.ndarray, reference: np.ndarray, organ: np.ndarray) -> Agreement:
        change = abs(_dice(labels, organ) - _dice(reference, organ))
        return cls(float((labels == reference).mean()), float(change))

    @property
    def enough(self) -> bool:
        return self.equal >= EQUAL and self.dice_change < DICE_CHANGE


@dataclass(frozen=True)
class Row:
    """One peer: seconds a slice, or why there are none."""

    peer: str
    precision: str
    seconds: Seconds | None = None
    agreement: Agreement | None = None
    why_not: str | None = None


@dataclass(frozen=True)
class Table:
    """title: what was done, on what, how often; rows: in the order of the peers."""

    title: str
    what: str
    network: str
    rows: tuple[Row, ...]

    def median(self, peer: Peer) -> float | None:
        """Seconds a slice; None if it took no part."""
        return next((row.seconds.median for row in self.rows if row.peer == peer.name and row.seconds), None)

    def lines(self) -> list[str]:
        """speed: times the papers' way; AttnSeg: its speed in times this one; Dice: how much it changes."""
        head = (
            f"  {'':28}{'ms a slice':>11}{'least':>9}{'most':>9}{'speed':>9}{'AttnSeg':>10}{'equal %':>10}{'Dice':>9}"
        )
        return [self.title, head, *(self._line(row) for row in self.rows)]

    def _line(self, row: Row) -> str:
        name = f"  {row.peer:28}"
        if row.seconds is None:
            return f"{name}{row.why_not}"
        speed = self._ratio(peers.PAPERS, row.seconds.median)
        ours = self._ratio_of(row.seconds.median, self.median(peers.OURS))
        times = "".join(f"{1000 * s:9.1f}" for s in (row.seconds.least, row.seconds.most))
        agreement = f"{100 * row.agreement.equal:10.3f}{row.agreement.dice_change:9.5f}" if row.agreement else ""
        return f"{name}{1000 * row.seconds.median:11.1f}{times}{speed:>9}{ours:>10}{agreement}"

    def _ratio(self, peer: Peer, seconds: float) -> str:
        return self._ratio_of(self.median(peer), seconds)

    @staticmethod
    def _ratio_of(one: float | None, other: float | None) -> str:
        return f"{one / other:.2f} x" if one and other else "-"


@dataclass(frozen=True, eq=False)
class Contest:
    """One network, one scan, and how: everything that all peers have in common."""

    name: str
    network: nn.Module
    case: Case
    setting: Setting
    rounds: int

    def network_alone(self, taking_part: Sequence[Peer]) -> Table:
        """Slices in, logits out."""
        slices = self.case.slices().to(self.setting.device)

        def prepare(peer: Peer) -> Callable[[], np.ndarray]:
            logits = peer.network_alone(copy.deepcopy(self.network), self.setting)
            return lambda: logits(slices).argmax(1).to(torch.uint8).cpu().numpy()

        return self._table("Network alone", taking_part, prepare)

    def end_to_end(self, taking_part: Sequence[Peer]) -> Table:
        """A compressed NIfTI file in, a compressed file with the label map out."""
        with tempfile.TemporaryDirectory() as folder:
            image_file = Path(folder) / "image.nii.gz"
            self.case.write(image_file)

            def prepare(peer: Peer) -> Callable[[], Path]:
                own_folder = Path(folder) / peer.name
                own_folder.mkdir()
                segment = peer.end_to_end(copy.deepcopy(self.network), self.setting)
                return lambda: segment(image_file, own_folder)

            return self._table("File to file", taking_part, prepare, files=True)

    def _table(
        self,
        what: str,
        taking_part: Sequence[Peer],
        prepare: Callable[[Peer], Callable[[], np.ndarray | Path]],
        *,
        files: bool = False,
    ) -> Table:
        """The first call of each shows what it says, and warms it up."""
        device = self.setting.device
        why_not = {peer: peer.why_not(device, files=files) for peer in taking_part}
        calls = {peer: prepare(peer) for peer in taking_part if why_not[peer] is None}
        agreements = {peer: self._agreement(peer, label_map_of(call())) for peer, call in calls.items()}
        agreeing = {peer.name: call for peer, call in calls.items() if agreements[peer].enough}
        depth = len(self.case.organ)
        times = {
            name: Seconds(tuple(run / depth for run in seconds.runs))
            for name, seconds in in_turns(
                agreeing, self.rounds, device, rare=[p.name for p in calls if p.mirrored]
            ).items()
        }
        rows = []
        for peer in taking_part:
            agreement = agreements.get(peer)
            reason = why_not[peer]
            if agreement and not agreement.enough:
                reason = f"differs ({100 * agreement.equal:.2f} % equal, Dice by {agreement.dice_change:.4f}): no time"
            rows.append(Row(peer.name, peer.precision, times.get(peer.name), agreement, reason))
        threads = f"{self.setting.threads} thread(s)" if device.type == "cpu" else str(device)
        title = f"{what}: {self.name}, {self.case.title}, {threads}, {self.rounds} rounds in turns"
        return Table(title, what, self.name, tuple(rows))

    def _agreement(self, peer: Peer, labels: np.ndarray) -> Agreement:
        reference = self._mirrored_reference if peer.mirrored else self._reference
        return Agreement.of(labels, reference, self.case.organ)

    @cached_property
    def _reference(self) -> np.ndarray:
        return self._papers_labels(peers.PAPERS)

    @cached_property
    def _mirrored_reference(self) -> np.ndarray:
        return self._papers_labels(replace(peers.PAPERS, mirrored=True))

    def _papers_labels(self, papers: Peer) -> np.ndarray:
        """In float32 indeed: a card's convolutions would round their inputs to ten bits."""
        logits = papers.network_alone(copy.deepcopy(self.network), self.setting)
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            slices = self.case.slices().split(1)
            labels = [logits(one.to(self.setting.device)).argmax(1).to(torch.uint8).cpu() for one in slices]
        return torch.cat(labels).numpy()


def label_map_of(result: np.ndarray | Path) -> np.ndarray:
    """(D, H, W), of a file or as it is."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(result))) if isinstance(result, Path) else result


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(bool), other.astype(bool)
    return 2 * float((one & other).sum()) / max(float(one.sum() + other.sum()), 1.0)
