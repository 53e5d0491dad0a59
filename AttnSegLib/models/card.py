"""The card of a trained model, as typed classes. `card_file` reads and writes it. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from AttnSegLib.models.eight_bits import EightBits
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
    """One organ in a label map. value: of its voxels; color: RGB, 0 to 255; category, type: codes, as DICOM and Slicer
    use them; modifier: a code that makes the type more exact, such as "Anterior"."""

    value: Byte
    name: str
    color: tuple[Byte, Byte, Byte]
    category: Code
    type: Code
    modifier: Code | None = None

    @property
    def id(self) -> str:
        """Identifier of the segment: the name in lower case, with underscores for spaces."""
        return self.name.lower().replace(" ", "_")


@dataclass(frozen=True)
class NetworkFacts:
    """What the panel must know about a network, without loading torch.

    Args:
        maps: titles of all its attention maps.
        queries: titles of the maps that can show where one point looks.
        levels: the levels to which it can be pruned; empty if it can't.
        gmacs_per_megapixel: multiply-accumulate operations, in billions (10^9), for a slice of a million pixels.
        mb_per_megapixel: memory of the activations, in MB, for a slice of a million pixels.
    """

    maps: tuple[str, ...]
    queries: tuple[str, ...]
    levels: tuple[Byte, ...]
    gmacs_per_megapixel: Amount
    mb_per_megapixel: Annotated[float, Between(1, 1e9)]


@dataclass(frozen=True)
class Source:
    """Where the cases come from.

    Args:
        name: of a reader in `training.datasets`.
        options: keywords for this reader.
        labels: for each label of the model, in order, the values in the data set that become this label. [[1], [2, 3]]
            keeps 1, joins 2 and 3 to label 2, and makes all others background. None takes the values as they are.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    labels: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True)
class FirstWeights:
    """The weights that a training began with. data: what they were trained on, in words; training_cases: ids of these
    cases; licence: of the weights, empty if it is not known."""

    data: str
    training_cases: tuple[str, ...]
    licence: str = ""


@dataclass(frozen=True)
class TrainingFacts:
    """How the weights were trained. Whatever is not known is empty or None.

    `preflight` uses the last four to warn about scans that are unlike those of the training.

    Args:
        data: what they were trained on, in words.
        training_cases, validation_cases, test_cases: ids.
        dataset: where the cases come from.
        augmentation, optimisation: settings, as in a recipe.
        start: the first weights; None if they were random.
        epochs_done: fewer than in the recipe if an earlier epoch was the best, or the run was interrupted.
        largest_pixel_mm: side of the coarsest pixel in training.
        smallest_slice_mm, largest_slice_mm: the smallest and the largest side of a slice in training.
        share_with_contrast: how many of the CT scans were made with a contrast agent, 0 to 1.
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
    """The scores of one label in one test case.

    Args:
        case: id of the case.
        label: id of the label.
        dice: over all voxels of the volume.
        dice_without_postprocessing: the same before `postprocess`.
        mean_slice_dice_of_filled_slices: mean over the slices with this label in result or reference; None if there
            are none.
        volume_ml, reference_ml: volume of what was found, and in the manual label map.
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
    """How good the model is on its test cases. All but the summary may be unknown.

    Args:
        summary: in a few words.
        meaning: what the numbers mean.
        mean_dice: mean over labels and patients.
        cases: the scores of each label in each case.
        found_in_no_case: names of labels of which the model finds nothing, or almost nothing, in every case.
        dice_lost_by_8_bits: mean Dice with weights in 32 bits, minus that with weights in 8 bits.
        dice_lost_by_8_bits_meaning: on what it was measured.
        dice_lost_by_8_bits_of_labels: the same for each label, by its id.
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

    @property
    def told(self) -> str:
        """The summary, and what the model does not find."""
        missed = "".join(f", finds nothing, or almost nothing, of '{name}'" for name in self.found_in_no_case)
        return self.summary + missed


@dataclass(frozen=True)
class ModelSpec:
    """A model's card: everything that is needed to run the model, and to judge how far to trust it.

    Args:
        options: keywords for the network's class.
        attention: titles of the maps that are recorded by default.
        largest_component: whether only the largest component of each label is kept.
        weights: name of the weights file.
        sha256: SHA-256 of the weights file, in hexadecimal.
        mirrored: whether it was trained on mirrored slices, too. Only then can the mean over flips be asked for.
        influence: how much its attention changes the result; None if that was not measured.
        eight_bits: how its labels can be computed in 8 bits; None if they can't.
        url: the https address of the weights, if they do not lie beside the card.
        size_bytes: size of the weights file; None if unknown.
        folder: where the card lies. It is not in the file.
        own_plane: the plane in the card, if `in_plane` chose another one; else empty. It is not in the file.
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
    eight_bits: EightBits | None = None
    url: str = ""
    size_bytes: Annotated[int, Between(1, 2**40)] | None = None
    folder: Path = field(default=Path(), compare=False, metadata=OUTSIDE)
    own_plane: str = field(default="", compare=False, metadata=OUTSIDE)

    @property
    def finds(self) -> str:
        """What the model finds and where, as "Abdomen in MR: liver, kidney, spleen"; lists are sorted by it."""
        place = f"{self.organ.capitalize()} in {self.modality}"
        organs = list(dict.fromkeys(label.type.meaning.lower() for label in self.labels))
        return place if organs == [self.organ] else f"{place}: {', '.join(organs)}"

    def influence_of(self, title: str) -> MapInfluence | None:
        """The measured influence of a map; None if it was not measured."""
        maps = self.influence.maps if self.influence else ()
        return next((one for one in maps if one.map == title), None)

    @property
    def maps_by_influence(self) -> tuple[str, ...]:
        """Titles of all maps, the most influential first. Maps that were not measured come last."""
        known = self.influence.maps if self.influence else ()
        measured = [one.map for one in sorted(known, key=lambda one: -one.influence)]
        return (*measured, *(title for title in self.facts.maps if title not in measured))

    def words_on(self, title: str) -> str:
        """The influence of a map in words, as lists of maps show it."""
        known = self.influence_of(title)
        return known.words if known else "influence not measured"

    @property
    def plane(self) -> str:
        """The plane of the slices that the network gets, as in `Preprocessing`."""
        return self.preprocessing.plane

    @property
    def known_plane(self) -> str:
        """The plane of the slices that the model was trained on, as in `Preprocessing`."""
        return self.own_plane or self.plane

    def in_plane(self, plane: str) -> ModelSpec:
        """The same model with another plane, named as in `Preprocessing`. Raises `InputError` if there is no such
        plane."""
        return replace(self, preprocessing=replace(self.preprocessing, plane=plane), own_plane=self.known_plane)

    @property
    def weights_path(self) -> Path:
        """The weights file: beside the card, or else in the user's folder. If it is in neither, where it should be."""
        beside = self.folder / self.weights
        if is_seen(beside) or not (self.url or is_seen(self.download_path)):
            return beside
        return self.download_path

    @property
    def download_path(self) -> Path:
        """Where downloaded weights lie. The name holds the SHA-256, so weights of an older card are never mistaken for
        these."""
        return user_folder() / self.id / f"{self.sha256[:16]}.safetensors"

    @property
    def is_available(self) -> bool:
        """Whether the weights are on this computer."""
        return is_seen(self.weights_path)


def are_numbered(labels: Sequence[Label]) -> bool:
    """Whether the values of labels are 1, 2, ..."""
    return bool(labels) and [label.value for label in labels] == list(range(1, len(labels) + 1))


def fit_classes(labels: Sequence[Label], classes: Any) -> bool:
    """Whether a network with this number of classes fits these labels. The background is one more class, except that a
    single label may also have one class."""
    return bool(classes == len(labels) + 1 or (classes == 1 and len(labels) == 1))
