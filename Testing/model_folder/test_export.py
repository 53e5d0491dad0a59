"""From a checkpoint to a model folder that users can run: whole or not at all, and nothing in it is executed."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from AttnSegLib.__main__ import main as attnseg
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card import Source
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.catalog import find_model, sha256_of
from AttnSegLib.models.places import user_folder
from AttnSegLib.models.store import import_model
from AttnSegLib.networks.references import reference_of
from training.evaluate import main as evaluate
from training.export import Form, export, main
from training.learning.recipe import read_checkpoint
from training.model_folder.bundle import bundle_metadata
from training.release import release
from training.scoring.candidates import network_of
from training.scoring.scores import read_scores

MODEL = "anunet-ball-mr"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(a_checkpoint, a_decathlon_task, tmp_path_factory):
    """The model folder in half precision."""
    return export(a_checkpoint, a_decathlon_task, tmp_path_factory.mktemp("models"), Form())


@pytest.fixture
def command(a_checkpoint, a_decathlon_task):
    """Run the command on the checkpoint, or another one, and data set."""

    def run(*options, checkpoint=a_checkpoint, root=a_decathlon_task):
        return main([str(checkpoint), "--root", str(root), *map(str, options)])

    return run


@pytest.fixture
def any_loss(monkeypatch):
    """Lets 8 bits cost what they may: with so few voxels, that depends on the processor."""
    monkeypatch.setattr("training.model_folder.card_scores._MOST_LOST", 1.0)


def content(folder):
    """All files, hidden ones too, by path in the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What is written


def test_a_model_folder_holds_card_weights_metadata_and_attribution(exported):
    assert set(content(exported)) == {CARD, "weights.safetensors", "metadata.json", "ATTRIBUTION.md"}
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in exported.iterdir())
    assert "made up" in (exported / "ATTRIBUTION.md").read_text()
    assert "https://spdx.org/licenses/CC0-1.0.html" in (exported / "ATTRIBUTION.md").read_text()


def test_the_card_tells_how_the_model_was_made(exported, a_checkpoint):
    spec = load_card(exported / CARD)
    assert (spec.id, spec.title, spec.network) == (MODEL, "A ball in noise (ANU-Net)", "anunet")
    assert spec.reference == reference_of("anunet").text
    assert spec.sha256 == sha256_of(exported / "weights.safetensors")
    assert [(label.value, label.name, label.color) for label in spec.labels] == [(1, "Ball", (255, 0, 0))]
    assert "gate 0,0" in spec.facts.maps
    training = spec.training
    assert training.training_cases == ("case_0", "case_1")
    assert (training.validation_cases, training.test_cases) == (("case_2",), ("case_3",))
    assert training.dataset == Source("msd")
    assert training.optimisation["epochs"] == 20
    assert (training.largest_pixel_mm, training.smallest_slice_mm, training.largest_slice_mm) == (1.5, 45.0, 51.0)
    assert training.epochs_done == read_checkpoint(a_checkpoint)["epoch"] + 1


def test_the_metadata_file_names_the_labels(exported):
    metadata = json.loads((exported / "metadata.json").read_text())
    assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "Ball"}
    assert metadata["data_source"] == "made up"
    assert "on 1 test patient." in metadata["description"]


def test_the_metadata_file_names_neighbouring_slices(exported):
    spec = load_card(exported / CARD)
    metadata = bundle_metadata(replace(spec, preprocessing=replace(spec.preprocessing, neighbours=1)))
    image = metadata["network_data_format"]["inputs"]["image"]
    assert image["channel_def"] == {"0": "slice -1", "1": "slice", "2": "slice +1"}
    assert image["num_channels"] == 3


def test_the_cards_scores_are_those_of_an_evaluation(exported, a_decathlon_task, tmp_path):
    assert evaluate([str(exported), "--root", str(a_decathlon_task), "--out", str(tmp_path), "--device", "cpu"]) == 0
    [score] = read_scores(tmp_path / "scores.csv")
    scores = load_card(exported / CARD).scores
    [entry] = scores.cases
    assert score.dice > 0.2  # it has learnt something
    assert (entry.case, entry.label) == (score.case, score.label) == ("case_3", "ball")
    assert entry.dice == scores.mean_dice == pytest.approx(score.dice, abs=1e-3)
    assert entry.reference_ml == pytest.approx(score.reference_ml, abs=0.06)
    assert scores.summary == f"Dice {scores.mean_dice:.3f} on 1 test patient"


def test_the_exported_network_says_what_the_trained_one_says(exported, a_checkpoint, a_decathlon_task):
    trained = network_of(read_checkpoint(a_checkpoint)).eval()
    slices = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    predictor = SlicePredictor.from_model(load_card(exported / CARD), Compute("cpu", precision="float32"))
    with torch.inference_mode():
        one, other = predictor.network(slices).logits, trained(slices).logits
    torch.testing.assert_close(one, other, rtol=0, atol=0.01 * float(other.std() + other.abs().mean()))
    volume = read_volume(a_decathlon_task / "imagesTr" / "case_3.nii.gz")
    plain = SlicePredictor(trained, predictor.preprocessing, Compute("cpu", precision="float32"))
    assert np.mean(predictor.predict(volume).label_map == plain.predict(volume).label_map) > 0.999


def test_an_installed_model_is_found_and_listed(exported, capsys):
    shutil.copytree(exported, user_folder() / MODEL)
    assert find_model(MODEL).folder == user_folder() / MODEL
    assert attnseg(["models"]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.split()[0] == MODEL]
    assert "A ball in noise (ANU-Net); Dice 0." in line
    assert "CC0-1.0" in line


@pytest.mark.usefixtures("any_loss")
@pytest.mark.parametrize(
    ("bits", "kinds"),
    [("8", {torch.int8, torch.float32, torch.float16}), ("16", {torch.float16}), ("32", {torch.float32})],
)
def test_weights_have_the_bits_that_were_asked_for(bits, kinds, command, tmp_path, capsys):
    assert command("--models", tmp_path, "--id", "of-bits", "--weights-in", bits) == 0
    assert f"{tmp_path / 'of-bits'}: Dice 0." in capsys.readouterr().out
    weights = load_file(tmp_path / "of-bits" / "weights.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == kinds | {torch.int64}
    assert load_card(tmp_path / "of-bits" / CARD).id == "of-bits"


@pytest.mark.usefixtures("any_loss")
def test_a_model_in_8_bits_is_imported_released_and_run(command, a_decathlon_task, tmp_path):
    assert command("--models", tmp_path / "made", "--weights-in", "8") == 0
    spec = import_model(tmp_path / "made" / MODEL)
    volume = read_volume(a_decathlon_task / "imagesTr" / "case_3.nii.gz")
    label_map = SlicePredictor.from_model(find_model(MODEL)).predict(volume).label_map
    [entry] = spec.scores.cases
    assert (label_map == 1).sum() * volume.voxel_volume == pytest.approx(entry.volume_ml, abs=0.06)
    assert [path.name for path in release([spec], tmp_path / "assets", "https://example.org")][1] == f"{MODEL}.zip"


@pytest.mark.usefixtures("any_loss")
@pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning")  # torch's exporter against its own pytree
def test_an_onnx_file_says_the_same_for_any_number_of_slices(command, tmp_path):
    """Of weights in 8 bits: the network of the file is the one as stored, whatever its bits."""
    pytest.importorskip("onnxscript", reason="pip install 'attnseg[dev]'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'attnseg[dev]'")
    assert command("--models", tmp_path, "--onnx", "32", "48", "--weights-in", "8") == 0
    session = onnxruntime.InferenceSession(str(tmp_path / MODEL / "model.onnx"), providers=["CPUExecutionProvider"])
    network = SlicePredictor.from_model(find_model(MODEL, tmp_path), Compute("cpu", precision="float32")).network
    for count in (1, 5):
        slices = torch.rand(count, 1, 32, 48)
        [found] = session.run(["logits"], {"slices": slices.numpy()})
        with torch.inference_mode():
            expected = network(slices).logits.numpy()
        np.testing.assert_allclose(found, expected, atol=1e-4 * max(1.0, expected.std()))


def test_slices_that_the_network_cannot_halve_are_refused(command, tmp_path, capsys):
    assert command("--models", tmp_path, "--onnx", "32", "30") == 2
    assert "needs slices of a multiple of 16 pixels, not (32, 30)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# Whole or not at all


def test_a_model_of_the_same_id_stays_untouched_unless_told(command, exported, tmp_path, capsys):
    shutil.copytree(exported, tmp_path / MODEL)
    (tmp_path / MODEL / "notes.txt").write_text("mine")
    before = content(tmp_path)
    assert command("--models", tmp_path) == 2
    assert f"There is a model '{tmp_path / MODEL}' already" in capsys.readouterr().err
    assert content(tmp_path) == before
    assert command("--models", tmp_path, "--overwrite") == 0
    assert set(content(tmp_path)) == set(before) - {f"{MODEL}/notes.txt"}


@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["new", "overwrite"])
def test_a_data_set_without_the_test_cases_leaves_everything_as_it_was(
    options, command, exported, a_decathlon_task, tmp_path, capsys
):
    root, models = tmp_path / "task", tmp_path / "models"
    shutil.copytree(a_decathlon_task, root)
    for folder in ("imagesTr", "labelsTr"):
        (root / folder / "case_3.nii.gz").unlink()
    models.mkdir()
    if options:
        shutil.copytree(exported, models / MODEL)
    before = content(models)
    assert command("--models", models, *options, root=root) == 2
    assert "lacks some of the 1 test cases" in capsys.readouterr().err
    assert content(models) == before
    assert [path.name for path in models.iterdir()] == ([MODEL] if options else [])


@pytest.mark.parametrize("model_id", ["../elsewhere", "a/b", "two words", ".hidden"])
def test_an_id_is_a_plain_name(model_id, command, tmp_path, capsys):
    models = tmp_path / "models"
    assert command("--models", models, "--id", model_id) == 2
    assert f"'{model_id}' can't be a model's id" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# Damaged checkpoints


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def _truncated(path, whole):
    path.write_bytes(whole[: len(whole) // 2])


def _random(path, _whole):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def _foreign(path, _whole):
    torch.save({"weights": torch.zeros(3)}, path)


def _of_no_dictionary(path, _whole):
    torch.save([torch.zeros(3)], path)


def _with_a_class(path, _whole):
    torch.save({"state_dict": Malicious(path.with_name("executed"))}, path)


def _pickled(path, _whole):
    path.write_bytes(pickle.dumps(Malicious(path.with_name("executed"))))


def _empty(path, _whole):
    path.touch()


def _missing(_path, _whole):
    pass


@pytest.mark.parametrize(
    "damage", [_truncated, _random, _foreign, _of_no_dictionary, _with_a_class, _pickled, _empty, _missing]
)
def test_what_is_no_checkpoint_is_refused_in_one_sentence(damage, command, a_checkpoint, tmp_path, capsys):
    path = tmp_path / "damaged.ckpt"
    damage(path, a_checkpoint.read_bytes())
    assert command("--models", tmp_path / "models", checkpoint=path) == 2
    [error] = capsys.readouterr().err.splitlines()
    assert error == f"Error: '{path}' is not a checkpoint of training.train, or is damaged."
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "models").exists()


def test_what_fails_in_the_end_leaves_nothing(a_checkpoint, a_decathlon_task, tmp_path, monkeypatch):
    def no_file(*_arguments):
        raise InputError("The ONNX file differs.")

    monkeypatch.setattr("training.export.write_onnx", no_file)
    with pytest.raises(InputError, match="ONNX"):
        export(a_checkpoint, a_decathlon_task, tmp_path / "models", Form(onnx=(32, 32)))
    assert list((tmp_path / "models").iterdir()) == []
