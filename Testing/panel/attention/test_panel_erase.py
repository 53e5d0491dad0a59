"""The panel's "Erase here" and "Switch off everywhere": a place in a map, and a map in the whole volume."""

import numpy as np
import pytest
from panel_at_work import AFFINE, SHAPE, finish, outline_node, said, shown_map, words
from panel_at_work import show_map as show_map_of

from AttnSegLib.networks.replacement import Replacement, replaced_sentence
from AttnSegLib.worker import messages

TITLE = "gate 1,2"


def every_slice(columns):
    """Ten rows of the first columns in all slices."""
    label_map = np.zeros(SHAPE, np.uint8)
    label_map[:, :10, :columns] = 1
    return label_map


def show_map(widget):
    return show_map_of(widget, TITLE, every_slice(10))


def is_seen(node):
    return bool(node.GetDisplayNode().GetVisibility())


def world_of(k, j, i):
    return (AFFINE @ [i, j, k, 1])[:3].tolist()


def point():
    import slicer

    from AttnSegLib.mrml import views

    return views.placed_point(slicer.mrmlScene, views.ERASE)


def click(k, j, i):
    """Into a voxel, while a point is to be placed."""
    point().AddControlPointWorld(world_of(k, j, i))


def erase(widget, voxel=(3, 20, 24)):
    """In a slice of which nothing is known yet."""
    if not widget.ui.eraseButton.checked:
        widget.ui.eraseButton.click()
    click(*voxel)
    worker = widget.panel.session._worker
    while worker.is_busy:
        finish(widget, every_slice(5 if worker.requests[-1].options.replaced else 10))


def test_a_click_erases_a_disc_of_the_map_in_its_slice(widget, worker, parameters):
    show_map(widget)
    parameters.eraseRadius = 7  # mm; voxels of 2 x 2 mm in the slice
    erase(widget)
    options = worker.requests[-1].options
    assert options.replaced == (Replacement(TITLE, "erased"),)
    assert (options.region.start, options.region.stop) == ((3, 0, 0), (4, *SHAPE[1:]))
    rows, columns = np.indices(SHAPE[1:])
    disc = np.hypot(rows - 20, columns - 24) * 2 <= 7
    assert disc.sum() > 30
    erased = options.painted[TITLE]
    assert np.array_equal(erased[3], disc)
    assert erased.sum() == disc.sum()
    assert not widget.panel.session.is_busy


def test_the_new_result_is_shown_with_the_disc_and_told(widget, ui, a_node):
    import slicer

    show_map(widget)
    erase(widget)
    assert said(widget) == f"With '{TITLE}' erased there, slice 3 changes by 0.333 (1 - Dice): Left atrium -1.00 mL."
    node = outline_node()
    assert is_seen(node)
    name = f"{TITLE} erased, slice 3"
    assert node.GetName() == name
    found = {
        what: slicer.util.arrayFromSegmentBinaryLabelmap(node, f"{what} {name}", a_node)
        for what in ("Left atrium", "lost", "erased")
    }
    assert np.array_equal(found["Left atrium"][3], every_slice(5)[3])
    assert np.array_equal(found["lost"][3], every_slice(10)[3] - every_slice(5)[3])
    assert found["erased"][3, 20, 24] == 1
    assert "Here" not in words(ui.attentionLabel)  # it is not the map's influence


def test_the_point_can_be_dragged_and_the_last_place_wins(widget, worker):
    show_map(widget)
    erase(widget)
    before = len(worker.requests)
    for column in (10, 20, 30):  # faster than it is computed
        point().SetNthControlPointPositionWorld(0, *world_of(3, 40, column))
    for _ in range(4):
        if worker.is_busy:
            finish(widget, every_slice(5))
        widget.panel.poll()
    requests = worker.requests[before:]
    middles = [np.argwhere(one.options.painted[TITLE][3]).mean(axis=0).tolist() for one in requests]
    assert middles == [[40, 10], [40, 30]]
    assert all(one.options.replaced for one in requests)  # with the map, the slice is known


def test_another_radius_erases_again(widget, ui, worker):
    show_map(widget)
    erase(widget)
    before = worker.requests[-1].options.painted[TITLE].sum()
    ui.eraseRadiusBox.value = 20
    finish(widget)
    assert worker.requests[-1].options.painted[TITLE].sum() > 3 * before
    requests = len(worker.requests)
    widget.panel.refresh()
    assert len(worker.requests) == requests


@pytest.mark.parametrize("how", ["hide", "press again", "another map"])
def test_erasing_ends_without_trace(widget, ui, how):
    show_map(widget)
    erase(widget)
    if how == "hide":
        ui.hideMapsButton.click()
        assert shown_map() is None
    elif how == "press again":
        ui.eraseButton.click()
        assert shown_map() is not None
    else:
        show_map_of(widget, "gate 0,1")
    assert point() is None
    assert not ui.eraseButton.checked
    assert not is_seen(outline_node())


def test_outside_of_the_volume_nothing_is_erased(widget, worker):
    show_map(widget)
    requests = len(worker.requests)
    erase(widget, (-3, 20, 24))
    assert len(worker.requests) == requests


def test_without_a_map_in_view_nothing_can_be_erased(ui):
    assert not ui.eraseButton.enabled
    assert not ui.switchAllButton.enabled


def test_a_run_for_the_volume_comes_before_erasing(widget, ui, worker):
    show_map(widget)
    erase(widget)
    ui.applyButton.click()
    point().SetNthControlPointPositionWorld(0, *world_of(3, 40, 10))
    assert worker.requests[-1].options.replaced == ()
    assert widget.panel.session.is_busy


def test_switched_off_everywhere_both_results_are_computed_with_progress(widget, ui, worker):
    show_map(widget)
    ui.switchAllButton.click()
    progress = []
    for columns in (10, 5):
        job = worker.job.number
        worker.say(messages.SlicesDone(job, 0, (0, 1, 2), 3, 6, 3.0))
        widget.panel.poll()
        progress.append(said(widget))
        finish(widget, every_slice(columns))
    assert progress == ["3 of 12 slices, 9 s left", "9 of 12 slices, 3 s left"]
    _, whole, without = (request.options for request in worker.requests)
    assert (whole.region, without.region) == (None, None)
    assert (whole.replaced, without.replaced) == ((), (Replacement(TITLE),))
    assert said(widget).startswith(f"Without '{TITLE}' the whole volume changes by 0.333 (1 - Dice): ")
    assert said(widget).endswith("Left atrium -6.00 mL.")
    assert outline_node().GetName() == f"without {TITLE}, whole volume"


def test_what_was_measured_stands_beside_the_maps_name(widget, ui, worker):
    show_map(widget)
    ui.switchButton.click()
    finish(widget, every_slice(5))
    ui.switchAllButton.click()
    for columns in (10, 4):
        finish(widget, every_slice(columns))
    in_slice = f"0.333 in slice {worker.requests[1].options.region.start[0]} (Left atrium -1.00 mL)"
    told = f"Here, without it: {in_slice}; 0.429 in the whole volume (Left atrium -7.20 mL)."
    assert words(ui.attentionLabel).endswith(told)
    show_map_of(widget, "gate 0,1")
    assert "Here" not in words(ui.attentionLabel)
    show_map(widget)
    assert words(ui.attentionLabel).endswith(told)


def test_it_is_of_this_scan(widget, ui, a_node):
    import slicer

    show_map(widget)
    ui.switchButton.click()
    finish(widget, every_slice(5))
    other = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(a_node) + 1, ijkToRAS=AFFINE, name="other")
    widget.panel.parameters.inputVolume = other
    assert "Here" not in words(ui.attentionLabel)


def test_nothing_anywhere_is_told(widget, ui):
    show_map(widget)
    ui.switchAllButton.click()
    for _ in range(2):
        finish(widget)
    assert said(widget) == f"The model finds nothing in the whole volume, with '{TITLE}' or without."


@pytest.mark.parametrize("answers", [0, 1])
def test_cancel_of_the_whole_volume_leaves_everything_as_it_was(widget, ui, worker, answers):
    show_map(widget)
    ui.switchAllButton.click()
    jobs = [worker.job]
    for _ in range(answers):
        finish(widget, every_slice(10))
        jobs.append(worker.job)
    widget.panel.input.cancel()
    worker.say(messages.JobCancelled(worker.job.number))
    widget.panel.poll()
    assert "as it was" in said(widget)
    assert outline_node() is None
    assert all(job.released for job in jobs[:answers])


def test_that_attention_was_erased_is_no_notice(widget, worker):
    show_map(widget)
    widget.ui.eraseButton.click()
    click(3, 20, 24)
    finish(widget)
    worker.say(messages.Notice(worker.job.number, replaced_sentence([Replacement(TITLE, "erased")])))
    widget.panel.poll()
    assert "not the model's own" not in said(widget)


def test_a_panel_that_is_gone_hears_nothing(widget):
    """What is left of it would be called by the views, which stay."""
    show_map(widget)
    heard = [widget.panel.result._listener, widget.panel.attention._listener]
    assert heard[1].Observations
    widget.cleanup()
    assert not any(one.Observations for one in heard)
    widget.setup()  # the fixture closes it once more
    widget.timer.stop()
