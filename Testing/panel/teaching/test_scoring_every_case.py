"""The section "Teach": the score of every case, which takes several times as long."""

import shutil

from panel_at_work import pick, words
from teaching_at_work import add_another, living

from AttnSegLib.collections.teaching_run import FOLDS, TeachingOrder, read_state
from AttnSegLib.models.places import user_folder


def test_the_time_of_scoring_every_case_stands_beside_it(widget, ui, ready, begun, collected):
    """With one case there is nobody to score it."""
    assert ready.name == "heads-training"
    assert not ui.everyCaseBox.enabled
    assert ui.everyCaseLabel.text == "from two cases on"
    for number in range(1, 6):
        add_another(collected, number)
    widget.panel.refresh()
    assert ui.everyCaseLabel.text == "10 + 5 x 10 minutes, 1 hour in all"
    assert "A fifth of the cases is left out" in ui.collectionLabel.text
    ui.everyCaseBox.checked = True
    assert "All cases train" in ui.collectionLabel.text
    pick(ui.timeBox, "30 minutes")
    assert "30 + 5 x 30 minutes, 3 hours in all" in ui.everyCaseLabel.text
    ui.teachButton.click()
    assert begun[0][1] == TeachingOrder(30, "eccamunet", "", "auto", every_case=True)
    assert not ui.everyCaseBox.enabled


def test_which_model_of_the_score_is_taught_is_seen_and_the_first_can_be_used(
    widget, ui, ready, a_model_folder, messages
):
    with living(ready, fold=2, folds=5, spent=90.0, limit=600.0, model="tiny"):
        shutil.copytree(a_model_folder, user_folder() / "tiny")
        widget.panel.teach.look()
        assert "Score, model 2 of 5: 1:30 of 10:00 minutes. 'tiny' can be used" in words(ui.teachLabel)
        assert any(model.id == "tiny" for model in widget.panel.models)
    widget.panel.teach.look()
    assert "Score, model 2 of 5: Interrupted after 1:30" in ui.teachLabel.text
    assert ui.teachButton.text == "Go on"
    (ready / FOLDS).mkdir()
    ui.discardButton.click()
    assert messages.questions == ["Give the score up? The model 'tiny' stays, without one."]
    assert not (ready / FOLDS).exists()
    assert read_state(ready) is None
