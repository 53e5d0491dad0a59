"""The file of a card: it is read as it was written, and whatever is wrong with one is told in a sentence."""

import json
from dataclasses import replace

import pytest
from test_model_store import a_model_folder as a_model_folder

from AttnSegLib.__main__ import main
from AttnSegLib.errors import InputError
from AttnSegLib.models.card import FirstWeights, Source
from AttnSegLib.models.card_file import CARD, FORMAT, load_card, write_card
from AttnSegLib.models.catalog import load_models
from AttnSegLib.models.eight_bits import EightBits
from AttnSegLib.models.places import resource_folder, user_folder

SHIPPED = load_models(resource_folder("Models"))


@pytest.fixture
def card(a_model_folder):
    """What the card of a sound model holds."""
    return json.loads((a_model_folder / CARD).read_text())


@pytest.fixture
def load(a_model_folder):
    """Reads a card with this content, or this text, instead."""

    def loaded(content):
        text = content if isinstance(content, str) else json.dumps(content)
        (a_model_folder / CARD).write_text(text)
        return load_card(a_model_folder / CARD)

    return loaded


# One writer, one reader


@pytest.mark.parametrize("spec", SHIPPED, ids=lambda spec: spec.id)
def test_shipped_cards_are_as_the_writer_writes_them(spec, tmp_path):
    known = json.loads((spec.folder / CARD).read_text())["size_bytes"]  # if it is not, the reader adds it
    write_card(replace(spec, size_bytes=known), tmp_path)
    assert (tmp_path / CARD).read_bytes() == (spec.folder / CARD).read_bytes()


def test_what_is_written_is_read_again(a_model_folder, tmp_path):
    spec = load_card(a_model_folder / CARD)
    facts = replace(
        spec.training,
        dataset=Source("folder", {"images": ["a", "b"], "depth": {"x": None}}, ((1,), (2, 3))),
        augmentation={"size": (128, 128), "flips": ()},
        start=FirstWeights("other scans", ("case_1",)),
        largest_pixel_mm=1.5,
    )
    facts = replace(facts, dataset=replace(facts.dataset, options={"images": ("a", "b"), "depth": {"x": None}}))
    eight = EightBits("0" * 64, (None, (-1.5, 2.0), (0.0, 1.0)), 0.9, 0.898, "on 3 test patients")
    spec = replace(spec, training=facts, url="https://example.org/weights", eight_bits=eight)
    write_card(spec, tmp_path)
    assert load_card(tmp_path / CARD) == spec
    assert json.loads((tmp_path / CARD).read_text())["format"] == FORMAT


def test_keys_that_nobody_knows_are_left_out(card, load, a_model_folder):
    plain = load(card)
    card["colour"] = "red"
    card["labels"][0]["colour"] = card["facts"]["colour"] = card["training"]["colour"] = {"r": 1}
    card["folder"] = card["own_plane"] = "elsewhere"
    spec = load(card)
    assert spec == plain
    assert (spec.folder, spec.own_plane) == (a_model_folder, "")


def test_a_newer_format_asks_for_an_update(load):
    with pytest.raises(InputError) as error:
        load({"format": FORMAT + 1, "labels": "explained elsewhere"})
    assert str(error.value) == (
        "The card of model 'tiny' has a newer format than this AttnSeg can read; update AttnSeg."
    )


# Damages


def without(card, name):
    return {key: value for key, value in card.items() if key != name}


def with_label(card, **changes):
    return card | {"labels": [card["labels"][0] | changes]}


EIGHT_BITS = {"graph": "", "ranges": [], "dice_in_32_bits": 0.9, "dice_in_8_bits": 0.9, "meaning": ""}

DAMAGES = {
    "a range of two numbers more": lambda card: card | {"eight_bits": EIGHT_BITS | {"ranges": [[0, 1, 2, 3]]}},
    "no format": lambda card: without(card, "format"),
    "a format that is no number": lambda card: card | {"format": "1"},
    "a format of 0": lambda card: card | {"format": 0},
    "a list": lambda card: [card],
    "cut": lambda card: json.dumps(card)[:-20],
    "200,000 brackets": lambda _card: "[" * 200_000,
    "200,000 brackets in a field": lambda card: json.dumps(card)[:-1] + ', "x": ' + "[" * 200_000,
    "brackets in a setting": lambda card: card | {"training": {"augmentation": {"x": json.loads("[" * 50 + "]" * 50)}}},
    "a number of 10,000 digits": lambda card: json.dumps(card)[:-1] + ', "size_bytes": ' + "9" * 10_000 + "}",
    "infinity": lambda card: json.dumps(card)[:-1] + ', "training": {"largest_pixel_mm": 1e999}}',
    "NaN": lambda card: json.dumps(card)[:-1] + ', "training": {"largest_pixel_mm": NaN}}',
    "no SHA-256": lambda card: without(card, "sha256"),
    "half a SHA-256": lambda card: card | {"sha256": card["sha256"][:32]},
    "a label without its code": lambda card: card | {"labels": [without(card["labels"][0], "type")]},
    "no labels": lambda card: card | {"labels": []},
    "labels that are not numbered from 1": lambda card: with_label(card, value=3),
    "more labels than classes": lambda card: (
        card | {"labels": [card["labels"][0], card["labels"][0] | {"value": 2, "name": "Other"}]}
    ),
    "fewer labels than classes": lambda card: card | {"options": card["options"] | {"num_classes": 3}},
    "two labels of one name": lambda card: (
        card | {"labels": [card["labels"][0], card["labels"][0] | {"value": 2}], "options": {"num_classes": 3}}
    ),
    "a label without a name": lambda card: with_label(card, name=" "),
    "a colour outside": lambda card: with_label(card, color=[0, 0, 256]),
    "a code with a separator": lambda card: with_label(card, type={"scheme": "S", "value": "1~2", "meaning": "x"}),
    "a title that is no text": lambda card: card | {"title": 3},
    "a title with an escape": lambda card: card | {"title": "\x1b[31mred"},
    "a title on two lines": lambda card: card | {"title": "one\ntwo"},
    "a title that runs backwards": lambda card: card | {"title": "\u202egpj.exe"},
    "half a character": lambda card: card | {"title": "\ud800"},
    "a setting with an escape": lambda card: card | {"training": {"optimisation": {"\x1b[2J": 1}}},
    "training that is no object": lambda card: card | {"training": "long"},
    "a Dice that is no number": lambda card: card | {"scores": {"summary": "good", "mean_dice": "0.9"}},
    "a Dice of 90": lambda card: card | {"scores": {"summary": "good", "mean_dice": 90}},
    "no summary": lambda card: card | {"scores": {}},
    "a plane that is no text": lambda card: card | {"preprocessing": {"plane": ["axial"], "window": [0, 1]}},
    "a plane that there is not": lambda card: card | {"preprocessing": {"plane": "tilted", "window": [0, 1]}},
    "no intensities": lambda card: card | {"preprocessing": {"plane": "axial"}},
    "intensities upside down": lambda card: card | {"preprocessing": {"plane": "axial", "window": [1, 0]}},
    "a multiple of 0": lambda card: card | {"preprocessing": {"plane": "axial", "window": [0, 1], "multiple": 0}},
    "a size of 0": lambda card: card | {"preprocessing": {"plane": "axial", "window": [0, 1], "size": [0, 64]}},
    "an even neighbourhood": lambda card: (
        card | {"preprocessing": {"plane": "axial", "window": [0, 1], "adaptive_threshold": 4}}
    ),
    "channels that the network lacks": lambda card: (
        card | {"preprocessing": {"plane": "axial", "window": [0, 1], "channels": 3}}
    ),
    "a range upside down": lambda card: card | {"eight_bits": EIGHT_BITS | {"ranges": [None, [0, -1]]}},
    "a map that there is not": lambda card: card | {"attention": ["gate 9,9"]},
    "a width that no memory holds": lambda card: card | {"options": {"width": 10**9}},
    "weights elsewhere": lambda card: card | {"weights": "../other.safetensors"},
    "an id elsewhere": lambda card: card | {"id": ".."},
    "an open line": lambda card: card | {"url": "http://example.org/weights.safetensors"},
    "a line to nowhere": lambda card: card | {"url": "https://["},
    "a size that is no number": lambda card: card | {"size_bytes": "large"},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_card_is_one_sentence(damage, card, load):
    with pytest.raises(InputError, match=r"^The card of model 'tiny' is damaged \([ -~]+\); get the model again\.$"):
        load(damage(card))


def test_the_sentence_names_the_field(card, load):
    with pytest.raises(InputError, match=r"damaged \(labels\[0\]\.color\[2\] must be from 0 to 255\);"):
        load(DAMAGES["a colour outside"](card))
    with pytest.raises(InputError, match=r"damaged \(scores\.mean_dice must be a number\);"):
        load(DAMAGES["a Dice that is no number"](card))
    with pytest.raises(InputError, match=r"it has 1 label\(s\), and its network 3 class\(es\)"):
        load(DAMAGES["fewer labels than classes"](card))


def test_a_file_that_is_no_text_and_one_that_is_huge(load, a_model_folder):
    (a_model_folder / CARD).write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match="it is not JSON"):
        load_card(a_model_folder / CARD)
    with pytest.raises(InputError, match="it is too large"):
        load(" " * (10 * 2**20 + 1))
    (a_model_folder / CARD).unlink()
    with pytest.raises(InputError, match="it can't be read"):
        load_card(a_model_folder / CARD)


@pytest.mark.parametrize("damage", ["a title with an escape", "200,000 brackets", "half a character", "infinity"])
def test_a_bad_card_of_the_user_hides_no_other(damage, card, load, a_model_folder, capsys):
    with pytest.raises(InputError):
        load(DAMAGES[damage](card))
    user_folder().mkdir(parents=True)
    a_model_folder.rename(user_folder() / "tiny")
    assert main(["models"]) == 0
    printed = capsys.readouterr()
    assert all(spec.id in printed.out for spec in SHIPPED)
    assert "\x1b" not in printed.out + printed.err
    assert "card of model 'tiny' is damaged" in printed.err


def test_the_self_check_tells_of_a_bad_card(capsys):
    (user_folder() / "bad").mkdir(parents=True)
    (user_folder() / "bad" / CARD).write_text("{")
    assert main(["check"]) == 2
    assert "card of model 'bad' is damaged" in capsys.readouterr().out


@pytest.mark.usefixtures("a_model_folder")
def test_a_bad_card_of_attnseg_itself_hides_no_other(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr("AttnSegLib.models.catalog.resource_folder", lambda _name: tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / CARD).write_text("{")
    assert [spec.id for spec in load_models()] == ["tiny"]
    assert "card of model 'other' is damaged" in caplog.text
