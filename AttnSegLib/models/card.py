"""What the card of a trained model says; `card_file` reads and writes it. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from AttnSegLib.models.influence import AttentionFacts, Difference, MapInfluence, Share
from AttnSegLib.models.places import is_seen, user_folder
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.typed_json import OUTSIDE, Between

Byte = Annotated[int, Between(0, 255)]
Length = Annotated[float, Between(1e-3, 1e5)]
Count = Annotated[int, Between(0, 1e9)]
Amount = Annotated[float, Between(0, 1e9)]


@dataclass(frozen=True)
class Code:
    """A coded term, such as SCT 82471001 "Left atrium"."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Label:
    """One organ in a label map: its value there, and how a segment of it looks. color: RGB, 0 to 255. modifier: of the
    type, such as "Anterior"."""

    value: Byte
    name: str
    color: tuple[Byte, Byte, Byte]
    category: Code
    type: Code
    modifier: Code | None = None

    @property
    def id(self) -> str:
        """Identifier of the segment: the name in lower case, with underscores for blanks."""
        return self.name.lower().replace(" ", "_")


@dataclass(frozen=True)
class NetworkFacts:
    """What a panel must know of a network without loading torch.

    Args:
        maps: titles of all its attention maps.
        queries: those of them that can show where one point looks.
        levels: those to which it can be pruned.
        gmacs_per_megapixel: multiply-accumulates, in thousands of millions, for a slice of a million pixels.
        mb_per_megapixel: memory of the activations, in MB, for a slice of a million pixels.
    """

    maps: tuple[str, ...]
    queries: tuple[str, ...]
    levels: tuple[Byte, ...]
    gmacs_per_megapixel: Amount
    mb_per_megapixel: Annotated[float, Between(1, 1e9)]


@dataclass(frozen=True)
class Source:
    """Where the cases come from. name, options: of a reader in `training.datasets`.

    labels: for each label of the model, in order, the values of the data set that it stands for: [[1], [2, 3]] makes
    one label of 2 and 3 and leaves all others out. None takes the values as they are.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    labels: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True)
class FirstWeights:
    """Weights that a training began with. data: what they were learnt on, in words; training_cases: which of these;
    licence: theirs, empty if it is not known."""

    data: str
    training_cases: tuple[str, ...]
    licence: str = ""


@dataclass(frozen=True)
class TrainingFacts:
    """How the weights were made; whatever is not known is empty or None.

    `preflight` warns of scans beyond the last four.

    Args:
        data: what they were trained on, in words.
        training_cases, validation_cases, test_cases: ids.
        dataset: its reader.
        augmentation, optimisation: settings, as in a recipe.
        start: the first weights, if they were not random.
        epochs_done: fewer than the recipe's if an earlier epoch was the best, or the run was interrupted.
        largest_pixel_mm: the coarsest pixel that was seen.
        smallest_slice_mm, largest_slice_mm: the smallest and the largest side of a slice that were seen.
        share_with_contrast: of the CT scans, the share that was made with a contrast agent.
        pictures: whether the cases were pictures, of one slice each; then the model takes such.
    """

    data: str = ""
    training_cases: tuple[str, ...] = ()
    validation_cases: tuple[str, ...] = ()
    test_cases: tuple[str, ...] = ()
    dataset: Source | None = None
    augmentation: dict[str, Any] = field(default_factory=dict)
    optimisation: dict[str, Any] = field(default_factory=dict)
    start: FirstWeights | None = None
    epochs_done: Count | None = None
    largest_pixel_mm: Length | None = None
    smallest_slice_mm: Length | None = None
    largest_slice_mm: Length | None = None
    share_with_contrast: Share | None = None
    pictures: bool = False


@dataclass(frozen=True)
class CaseScore:
    """One label of one test case.

    Args:
        case: its id.
        label: id of the label.
        dice: of the whole volume, empty slices included.
        dice_without_postprocessing: the same before `postprocess`.
        mean_slice_dice_of_filled_slices: None if no slice is filled.
        volume_ml, reference_ml: what was found, and what the manual label map has, mL.
    """

    case: str
    label: str
    dice: Share
    dice_without_postprocessing: Share
    mean_slice_dice_of_filled_slices: Share | None
    volume_ml: Amount
    reference_ml: Amount


@dataclass(frozen=True)
class ScoreFacts:
    """How good the model is on its test cases; all but the summary may be unknown.

    Args:
        summary: in a few words.
        meaning: what the numbers mean.
        mean_dice: over labels and patients.
        found_in_no_case: names of the labels of which the model finds nothing, or almost nothing, in any case.
        dice_lost_by_8_bits: mean Dice of the weights in 32 bits, less that of the weights in 8 bits.
        dice_lost_by_8_bits_meaning: where it was measured.
        dice_lost_by_8_bits_of_labels: the same of each label, by its id.
    """

    summary: str
    meaning: str = ""
    mean_dice: Share | None = None
    mean_dice_without_postprocessing: Share | None = None
    cases: tuple[CaseScore, ...] = ()
    found_in_no_case: tuple[str, ...] = ()
    dice_lost_by_8_bits: Difference | None = None
    dice_lost_by_8_bits_meaning: str = ""
    dice_lost_by_8_bits_of_labels: dict[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSpec:
    """A model's card: everything needed to run it, and to know whether to trust it.

    Args:
        options: keywords of the network's class.
        attention: titles of the maps that are recorded by default.
        mirrored: whether it was trained on mirrored slices, too, and so can be asked for the mean over flips.
        influence: what its attention is good for; None if that was not measured.
        url: where the weights can be had (https) if they do not lie beside the card.
        size_bytes: of the weights file; None if unknown.
        folder: where the card lies; not in the file.
        own_plane: the card's plane where `in_plane` took another one, else empty; not in the file.
    """

    id: str
    title: str
    network: str
    options: dict[str, bool | int | float | str | None]
    organ: str
    modality: str
    labels: tuple[Label, ...]
    preprocessing: Preprocessing
    attention: tuple[str, ...]
    facts: NetworkFacts
    largest_component: bool
    weights: str
    sha256: str
    licence: str
    reference: str
    training: TrainingFacts
    scores: ScoreFacts
    mirrored: bool = False
    influence: AttentionFacts | None = None
    url: str = ""
    size_bytes: Annotated[int, Between(1, 2**40)] | None = None
    folder: Path = field(default=Path(), compare=False, metadata=OUTSIDE)
    own_plane: str = field(default="", compare=False, metadata=OUTSIDE)

    @property
    def finds(self) -> str:
        """Where and what, as lists of models are ordered: "Abdomen in MR: liver, kidney, spleen"."""
        place = f"{self.organ.capitalize()} in {self.modality}"
        organs = list(dict.fromkeys(label.type.meaning.lower() for label in self.labels))
        return place if organs == [self.organ] else f"{place}: {', '.join(organs)}"

    def influence_of(self, title: str) -> MapInfluence | None:
        """What was measured of a map; None if nothing was."""
        maps = self.influence.maps if self.influence else ()
        return next((one for one in maps if one.map == title), None)

    @property
    def maps_by_influence(self) -> tuple[str, ...]:
        """Titles of all maps, the most influential first; what was not measured comes last."""
        known = self.influence.maps if self.influence else ()
        measured = [one.map for one in sorted(known, key=lambda one: -one.influence)]
        return (*measured, *(title for title in self.facts.maps if title not in measured))

    def words_on(self, title: str) -> str:
        """What a list says beside a map."""
        known = self.influence_of(title)
        return known.words if known else "influence not measured"

    @property
    def plane(self) -> str:
        """Plane of the slices that are taken, as in `Preprocessing`."""
        return self.preprocessing.plane

    @property
    def known_plane(self) -> str:
        """Plane of the slices that the model was trained on, as in `Preprocessing`."""
        return self.own_plane or self.plane

    def in_plane(self, plane: str) -> ModelSpec:
        """The model with another plane, as in `Preprocessing`, than its card says. Raises `InputError` if there is no
        such plane."""
        return replace(self, preprocessing=replace(self.preprocessing, plane=plane), own_plane=self.known_plane)

    @property
    def weights_path(self) -> Path:
        """The weights file: beside the card, or else in the user's folder; where it would be if it is at neither."""
        beside = self.folder / self.weights
        if is_seen(beside) or not (self.url or is_seen(self.download_path)):
            return beside
        return self.download_path

    @property
    def download_path(self) -> Path:
        """Where downloaded weights lie. It tells the version: weights of an older card are never taken for these."""
        return user_folder() / self.id / f"{self.sha256[:16]}.safetensors"

    @property
    def is_available(self) -> bool:
        """Whether the weights are on this computer."""
        return is_seen(self.weights_path)


def are_numbered(labels: Sequence[Label]) -> bool:
    """Whether the values of labels are 1, 2, ..."""
    return bool(labels) and [label.value for label in labels] == list(range(1, len(labels) + 1))


def fit_classes(labels: Sequence[Label], classes: Any) -> bool:
    """Whether a network of so many classes can tell these labels apart: the background is a class, too, unless there is
    one class for a single label."""
    return bool(classes == len(labels) + 1 or (classes == 1 and len(labels) == 1))
