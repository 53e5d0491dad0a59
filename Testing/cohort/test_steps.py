"""The steps of a case: what a model is asked for before there is any."""

from types import SimpleNamespace

from AttnSegLib.cohort import steps
from AttnSegLib.cohort.cohort_folder import CohortSettings
from AttnSegLib.inference.device import Compute
from AttnSegLib.models.card_file import CARD, load_card


def test_the_engine_is_chosen_for_many_scans(the_model_folder, monkeypatch):
    given = []

    def from_model(_spec, compute, level):
        given.append((compute, level))
        return SimpleNamespace(attention_titles=[])

    monkeypatch.setattr(steps.SlicePredictor, "from_model", from_model)
    steps.WarmModel.of(load_card(the_model_folder / CARD), CohortSettings(attention=("none",)), Compute("cpu"))
    assert given == [(Compute("cpu", many_scans=True), None)]
