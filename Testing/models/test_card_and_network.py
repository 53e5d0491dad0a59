"""A card and its network: what does not fit is told in a sentence, whatever is changed in the card."""

import json

import numpy as np
import pytest

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.checks import preflight
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card_file import CARD, load_card, write_card
from training.model_folder.bundle import bundle_metadata

SENTENCE = r"^[^\n]+\.$"


@pytest.fixture
def card(a_model_folder):
    """What the card of a sound model holds."""
    return json.loads((a_model_folder / CARD).read_text())


@pytest.fixture
def load(a_model_folder):
    """Reads a card with this content instead."""

    def loaded(content):
        (a_model_folder / CARD).write_text(json.dumps(content))
        return load_card(a_model_folder / CARD)

    return loaded


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"options": {"width": "wide"}}, "its network can't be built so"),
        ({"options": {"width": 2.5}}, "its network can't be built so"),
        ({"options": {"width": None}}, "its network can't be built so"),
        ({"options": {"width": 1024, "level": 60}}, "its network can't be built so|do not fit"),
        ({"options": {"width": 3}}, "do not fit its network"),
        ({"options": {"depth": 3}}, "no option 'depth'"),
        ({"network": "unknown"}, "no network 'unknown'"),
        ({"preprocessing": {"plane": "axial", "window": [0, 1], "multiple": 8}}, "padded to a multiple of 16"),
    ],
)
def test_a_card_that_does_not_fit_its_model_is_one_sentence(card, load, changes, reason):
    spec = load(card | changes)
    with pytest.raises(InputError, match=SENTENCE) as error:
        SlicePredictor.from_model(spec)
    assert any(one in str(error.value) for one in reason.split("|"))


# Any change at all

NUMBERS = (0, -1, 3, 2.5, 1e-300, 1e308, 10**30)
VALUES = (None, True, *NUMBERS, "", "x", "../x", "\x1b[31m", "\ud800", [], {}, [[]], [1, "x"])
DELETED = object()


def mutations(content, path=()):
    """All places in a content, each with all values that it gets."""
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, part in parts:
        yield from (((*path, key), value) for value in (*VALUES, DELETED))
        yield from mutations(part, (*path, key))


def mutated(content, path, value):
    """A copy with another value at a place, or without what is there."""
    content = json.loads(json.dumps(content))
    part = content
    for key in path[:-1]:
        part = part[key]
    if value is DELETED:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return content


@pytest.mark.slow
def test_whatever_changes_in_a_card_is_a_sentence_or_a_model_that_runs(card, load, tmp_path):
    card["training"] = {
        "data": "scans",
        "training_cases": ["a"],
        "dataset": {"name": "folder", "options": {"x": 1}, "labels": [[1]]},
        "augmentation": {"size": [64, 64]},
        "start": {"data": "other scans", "training_cases": ["b"]},
        "largest_pixel_mm": 1.5,
        "largest_slice_mm": 300.0,
    }
    case = {"case": "c", "label": "left_atrium", "dice": 0.9, "dice_without_postprocessing": 0.9}
    case |= {"mean_slice_dice_of_filled_slices": 0.8, "volume_ml": 1.0, "reference_ml": 1.0}
    card["scores"] |= {"mean_dice": 0.9, "cases": [case], "dice_lost_by_8_bits_of_labels": {"left_atrium": 0.0}}
    card["preprocessing"] |= {"pixel_spacing": 1.5, "size": None, "window": None, "channels": 1}
    card["facts"]["maps"] = card["facts"]["maps"][:3]
    volume = Volume(np.random.default_rng(0).integers(0, 500, (3, 24, 20)).astype(np.int16), np.diag([1.0, 1, 3, 1]))
    run, refused = set(), []
    tried = list(mutations(card))
    for path, value in tried:
        try:
            spec = load(mutated(card, path, value))
            write_card(spec, tmp_path)
            assert load_card(tmp_path / CARD).title == spec.title
            preflight.inspect(volume, spec, preflight.Effort())
            bundle_metadata(spec)
            assert spec.finds.isprintable()
            deciding = repr((spec.network, spec.options, spec.preprocessing, spec.facts, spec.weights, spec.sha256))
            if deciding not in run:
                run.add(deciding)
                SlicePredictor.from_model(spec, Compute("cpu")).predict(volume)
        except InputError as error:
            refused.append((path, value, str(error)))
        except Exception as error:
            raise AssertionError(f"{path} = {value!r} ends in {type(error).__name__}: {error}") from error
    assert [one for one in refused if not one[-1].isprintable()] == []
    assert len(tried) > 1200
    assert 0.5 * len(tried) < len(refused) < len(tried)
