"""The run that computes a slice or a volume with an attention map and without it. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.prediction import IN_8_BITS
from AttnSegLib.mrml.news import MapSwitchedOff, News, Target
from AttnSegLib.mrml.runs import KnownLabels, PredictionRun
from AttnSegLib.mrml.switching.outlines import OtherResult, remember_influence, show_other_result
from AttnSegLib.networks.replacement import Replacement, replaced_sentence
from AttnSegLib.worker.job import Job
from AttnSegLib.worker.messages import Notice, SlicesDone

_NOWHERE = Region((0, 0, 0), (1, 1, 1))


@dataclass(frozen=True, eq=False)
class Switch:
    """What is taken away. title: of the map; region: where the result is computed, None for the whole volume; erased:
    (D, H, W) uint8, 1 where the attention is erased; None to switch all of it off."""

    title: str
    region: Region | None
    erased: np.ndarray | None = None

    def request_options(self) -> dict[str, Any]:
        """Of the run without the map."""
        how = "neutral" if self.erased is None else "erased"
        painted = {} if self.erased is None else {self.title: self.erased}
        return {"region": self.region, "replaced": (Replacement(self.title, how),), "painted": painted}


class SwitchRun(PredictionRun):
    """Computes with an attention map, then without it, shows what changes, and tells it."""

    def __init__(self, target: Target, volume: Volume, switch: Switch):
        target = _with_maps(target)
        super().__init__(target, volume, target.asking(region=switch.region))
        self._switch, self._question = switch, self._request
        self.gives_way = switch.erased is not None  # the place may be moved on
        self._with: np.ndarray | None = None  # labels of the region
        self._held: Job | None = None  # in whose memory these are
        self._rate = 0.0  # seconds for a slice

    def take(self, known: KnownLabels | None) -> None:
        """Before it is submitted: go on from what is known, if that is the result with the map."""
        if known is not None and known.answer(self._mark, self._question):
            self._with = known.labels
            self._request = self.target.asking(**self._switch.request_options())

    def known(self) -> KnownLabels | None:
        if self._with is None or self._switch.region is None:
            return None
        return KnownLabels(self._mark, self._question, self._with)

    def follow(self, slices: SlicesDone) -> list[News]:
        """Both computations count; of a single slice there is nothing to tell."""
        if self._switch.region is not None:
            return []
        if slices.done < slices.total:
            self._rate = slices.seconds_left / (slices.total - slices.done)
        done = slices.done + (slices.total if self._with is not None else 0)
        left = self._rate * (2 * slices.total - done)
        return [replace(slices, done=done, total=2 * slices.total, seconds_left=left)]

    def tell(self, notice: Notice) -> list[News]:
        """That attention was changed is what was asked for."""
        return [] if notice.sentence == replaced_sentence(self._request.options.replaced) else [notice]

    def goes_on(self) -> bool:
        if self._with is not None:
            return False
        if self._switch.region is None:
            self._with, self._held = self.arrays.label_map, self.arrays  # too large to copy
        else:
            self._with = self.arrays.label_map[self._switch.region.slices].copy()
            self.arrays.release()
        self.job = None
        self._request = self.target.asking(**self._switch.request_options())
        return True

    def finish(self, answer: Any) -> News:
        other = self._other_result(answer.axis)
        node = show_other_result(self.target.volume_node, self.target.spec, other)
        index = None if self._switch.region is None else self._switch.region.start[answer.axis]
        is_erased = other.erased is not None
        news = MapSwitchedOff(node, self._switch.title, index, *self._changes(other), is_erased=is_erased)
        if not is_erased:
            remember_influence(node, (self.target.spec.id, news.title), news.where, news.measured)
        return news

    def let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._with = None
            held.release()

    def _other_result(self, axis: int) -> OtherResult:
        assert self._with is not None  # the first answer, or what was known
        title, region = self._switch.title, self._switch.region
        where = "whole volume" if region is None else f"slice {region.start[axis]}"
        before, after = self._with, self.arrays.label_map
        if region is None:
            region = _found(before, after)
            before = before[region.slices]
        after, erased = after[region.slices], self._switch.erased
        if erased is None:
            return OtherResult(f"without {title}, {where}", region, before, after)
        return OtherResult(f"{title} erased, {where}", region, before, after, erased[region.slices] > 0)

    def _changes(self, other: OtherResult) -> tuple[float | None, dict[str, float]]:
        """1 - Dice, mean over the labels that are in either result, and by name what each gains, mL."""
        overlaps, change_ml = [], {}
        for label in self.target.spec.labels:
            before, after = other.before == label.value, other.after == label.value
            sizes = int(np.count_nonzero(before)), int(np.count_nonzero(after))
            if any(sizes):
                overlaps.append(2 * int(np.count_nonzero(before & after)) / sum(sizes))
                change_ml[label.name] = (sizes[1] - sizes[0]) * self._volume.voxel_volume
        return (1 - float(np.mean(overlaps)) if overlaps else None), change_ml


def _with_maps(target: Target) -> Target:
    """Not in 8 bits, which are for labels alone: both results are to differ by the map, and not by the rounding."""
    compute = target.request.compute
    if compute.precision != IN_8_BITS:
        return target
    return replace(target, request=replace(target.request, compute=replace(compute, precision="auto")))


def _found(*label_maps: np.ndarray) -> Region:
    """The smallest box of a volume that holds all that is labelled in any of them."""
    boxes = [box for one in label_maps if (box := Region.around(one != 0, True)) is not None]
    if not boxes:
        return _NOWHERE
    starts, stops = ([getattr(box, end) for box in boxes] for end in ("start", "stop"))
    start, stop = np.min(starts, axis=0).tolist(), np.max(stops, axis=0).tolist()
    return Region((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
