"""One network on one scan, by all who take part: same weights, same slices, in turns.

No time is told for an output that differs from the reference, the papers' way in float32.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torch import nn

from AttnSegLib.inference.probabilities import labels_of
from Testing.benchmarks.measuring.inputs import Case
from Testing.benchmarks.measuring.turns import in_turns
from Testing.benchmarks.others import peers
from Testing.benchmarks.others.peers import Peer, Refused, Setting
from Testing.benchmarks.others.tables import Agreement, Row, Table
from training.papers.comparison import title_of


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
            return lambda: labels_of(logits(slices)).cpu().numpy()

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
        agreements = {}
        for peer, call in calls.items():
            try:
                agreements[peer] = self._agreement(peer, label_map_of(call()))
            except Refused as error:
                why_not[peer] = str(error)
        agreeing = {peer.name: calls[peer] for peer, agreement in agreements.items() if agreement.enough}
        depth = len(self.case.organ)
        rare = [peer.name for peer in calls if peer.mirrored]
        times = in_turns(agreeing, self.rounds, device, rare)
        rows = []
        for peer in taking_part:
            agreement = agreements.get(peer)
            reason = why_not[peer]
            if agreement and not agreement.enough:
                reason = f"differs ({100 * agreement.equal:.2f} % equal, Dice by {agreement.dice_change:.4f}): no time"
            seconds = times[peer.name].per(depth) if peer.name in times else None
            rows.append(Row(peer.name, peer.precision, seconds, agreement, reason))
        threads = f"{self.setting.threads} thread(s)" if device.type == "cpu" else str(device)
        title = f"{what}: {title_of(self.name)}, {self.case.title}, {threads}, {self.rounds} rounds in turns"
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
            labels = [labels_of(logits(one.to(self.setting.device))).cpu() for one in slices]
        return torch.cat(labels).numpy()


def label_map_of(result: np.ndarray | Path) -> np.ndarray:
    """(D, H, W), of a file or as it is."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(result))) if isinstance(result, Path) else result
