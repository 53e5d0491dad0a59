"""The panel's button "Switch off": what the model says of the slice in view without the map that is seen."""

import numpy as np
import pytest
from panel_at_work import SHAPE, finish, outline_node, pick, said, segmented, show_all_maps, voxels_of
from panel_at_work import show_map as show_map_of

from AttnSegLib.networks.replacement import Replacement, replaced_sentence
from AttnSegLib.worker import messages

WITH = (slice(0, 10), slice(0, 10))  # 100 pixels of 2 x 2 x 5 mm
WITHOUT = (slice(0, 10), slice(0, 5))  # half of them


def labels(index, where):
    label_map = np.zeros(SHAPE, np.uint8)
    label_map[(index, *where)] = 1
    return label_map


def slice_asked_for(worker):
    region = worker.requests[-1].options.region
    assert region.stop[0] == region.start[0] + 1
    return region.start[0]


def show_map(widget, title="gate 1,2", with_it=WITH):
    """A map in the views, and what the model says with it."""
    every_slice = np.zeros(SHAPE, np.uint8)
    every_slice[:, *with_it] = 1
    return show_map_of(widget, title, every_slice)


def answer(widget, with_it=WITH, without=WITHOUT):
    """Let all answers come that are waited for."""
    worker = widget.panel.session._worker
    while worker.is_busy:
        where = without if worker.requests[-1].options.replaced else with_it
        finish(widget, labels(slice_asked_for(worker), where))


def switch_off(widget, with_it=WITH, without=WITHOUT):
    """Press the button, and let the answers come."""
    widget.ui.switchButton.click()
    answer(widget, with_it, without)


def look_elsewhere(a_node):
    """Another slice in view than that of which the map was computed."""
    from AttnSegLib.mrml import views

    views.jump_to_slice(a_node, 0, 5)


def is_seen(node):
    return bool(node.GetDisplayNode().GetVisibility())


def test_the_slice_in_view_is_computed_with_the_map_and_without_it(widget, worker, a_node):
    show_map(widget)
    look_elsewhere(a_node)
    switch_off(widget)
    assert slice_asked_for(worker) == 5
    _, whole, without = (request.options for request in worker.requests)
    assert whole.region == without.region
    assert (whole.replaced, without.replaced) == ((), (Replacement("gate 1,2"),))
    assert not widget.panel.session.is_busy


def test_what_is_known_of_the_slice_with_the_map_is_not_computed_again(widget, worker, a_node):
    import slicer

    show_map(widget)
    for _ in range(2):  # known from the map, then from the last switch
        switch_off(widget)
        assert "changes by 0.333" in said(widget)
    assert [request.options.replaced for request in worker.requests] == [(), *2 * [(Replacement("gate 1,2"),)]]
    slicer.util.updateVolumeFromArray(a_node, slicer.util.arrayFromVolume(a_node) + 1)
    switch_off(widget)
    assert [bool(request.options.replaced) for request in worker.requests[3:]] == [False, True]


def test_both_are_computed_in_the_same_way_where_labels_are_in_8_bits(widget, worker, parameters, monkeypatch):
    monkeypatch.setattr(type(widget.panel), "can_be_fast", True)
    parameters.fast = True
    show_map(widget)
    look_elsewhere(parameters.inputVolume)
    switch_off(widget)
    precisions = [request.compute.precision for request in worker.requests]
    assert precisions == ["int8", "auto", "auto"]


def test_one_sentence_says_what_changed(widget, worker):
    show_map(widget)
    switch_off(widget)
    index = slice_asked_for(worker)
    assert said(widget) == f"Without 'gate 1,2' slice {index} changes by 0.333 (1 - Dice): Left atrium -1.00 mL."


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (WITH, "Without 'gate 1,2' nothing changes in slice {index}."),
        ((slice(0, 0), slice(0, 0)), "The model finds nothing in slice {index}, with 'gate 1,2' or without."),
    ],
)
def test_where_there_is_no_change_the_sentence_says_so(widget, worker, where, sentence):
    show_map(widget, with_it=where)
    switch_off(widget, where, where)
    assert said(widget) == sentence.format(index=slice_asked_for(worker))


def test_labels_that_are_in_neither_do_not_count(widget, ui, parameters):
    parameters.modelId = "anunet-abdomen-mr"
    worker = widget.panel.session._worker

    def both(to, second):
        label_map = np.zeros(SHAPE, np.uint8)
        label_map[:, :, :to] = 1
        label_map[:, :, 40:42] = second
        return label_map  # whose slices have 6 voxels of 0.02 mL in a row

    show_map_of(widget, "gate 0,1", both(10, 0))
    ui.switchButton.click()
    worker.finish(both(5, 2))
    widget.panel.poll()
    names = [label.name for label in widget.panel.spec.labels]
    assert said(widget).endswith(f"by 0.667 (1 - Dice): {names[0]} -0.60 mL, {names[1]} +0.24 mL.")


def test_the_result_without_the_map_is_an_outline_of_its_own(widget, worker, a_node):
    import slicer

    show_map(widget)
    switch_off(widget)
    node, index = outline_node(), slice_asked_for(worker)
    assert node.GetName() == f"without gate 1,2, slice {index}"
    assert node is not widget.panel.parameters.segmentation
    segmentation = node.GetSegmentation()
    name = f"without gate 1,2, slice {index}"
    assert [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())] == [
        f"{what} {name}" for what in ("Left atrium", "gained", "lost")
    ]
    found = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentation.GetNthSegmentID(0), a_node)
    assert np.array_equal(found, labels(index, WITHOUT))
    assert is_seen(node)


def test_what_is_gained_and_lost_has_colours_of_its_own(widget, worker, a_node):
    import slicer

    other = (slice(0, 10), slice(5, 15))
    show_map(widget)
    switch_off(widget, WITH, other)
    index, node = slice_asked_for(worker), outline_node()
    display = node.GetDisplayNode()
    found = {}
    for what in ("Left atrium", "gained", "lost"):
        segment_id = f"{what} {node.GetName()}"
        found[what] = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment_id, a_node)
        is_filled = what != "Left atrium"
        assert display.GetSegmentVisibility2DFill(segment_id) == is_filled
        assert display.GetSegmentVisibility2DOutline(segment_id) != is_filled
    assert np.array_equal(found["Left atrium"], labels(index, other))
    assert np.array_equal(found["gained"], labels(index, (slice(0, 10), slice(10, 15))))
    assert np.array_equal(found["lost"], labels(index, WITHOUT))
    colors = {tuple(node.GetSegmentation().GetSegment(f"{what} {node.GetName()}").GetColor()) for what in found}
    assert len(colors) == 3


def test_the_segmentation_stays_as_it_is_and_apply_leaves_the_outline(widget, a_node):
    segmentation = segmented(widget)
    before = voxels_of(segmentation, a_node)
    show_map(widget)
    switch_off(widget)
    assert widget.panel.parameters.segmentation is segmentation
    assert np.array_equal(voxels_of(segmentation, a_node), before)
    ids = segments_of(outline_node())
    segmented(widget)
    assert segments_of(outline_node()) == ids
    widget.panel.parameters.segmentation = outline_node()  # even where the user asks for it
    segmented(widget)
    assert segments_of(outline_node()) == [*ids, "left_atrium"]
    switch_off(widget)
    assert "left_atrium" in segments_of(outline_node())
    assert len(segments_of(outline_node())) == 4


def segments_of(node):
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegmentID(number) for number in range(segmentation.GetNumberOfSegments())]


def test_hide_hides_the_outline_too_and_the_next_one_is_seen(widget, ui):
    show_map(widget)
    switch_off(widget)
    ui.hideMapsButton.click()
    assert not is_seen(outline_node())
    assert not ui.hideMapsButton.enabled
    show_map(widget)
    switch_off(widget)
    assert is_seen(outline_node())
    show_map(widget, "gate 0,1")  # the outline is not of this one
    assert not is_seen(outline_node())


def test_an_outline_without_its_map_can_be_hidden(widget, ui):
    import slicer

    show_map(widget)
    switch_off(widget)
    for name in ("Red", "Green", "Yellow"):
        slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}").SetForegroundVolumeID(None)
    widget.panel.refresh()
    ui.hideMapsButton.click()
    assert not is_seen(outline_node())


def test_of_all_maps_the_one_that_is_seen_is_switched_off(widget, ui, worker):
    show_all_maps(widget)
    ui.mapSlider.value = 3
    switch_off(widget)
    title = widget.panel.spec.maps_by_influence[3]
    assert worker.requests[-1].options.replaced == (Replacement(title),)


def test_without_a_map_in_view_there_is_nothing_to_switch_off(widget, ui):
    assert not ui.switchButton.enabled
    show_map(widget)
    assert ui.switchButton.enabled
    ui.applyButton.click()
    assert not ui.switchButton.enabled  # something runs
    widget.panel.session.close()
    pick(ui.mapBox, "none")
    assert not ui.switchButton.enabled


def test_a_map_that_cannot_be_switched_off_is_told(widget, ui, worker):
    show_map(widget)
    ui.switchButton.click()
    worker.say(messages.JobFailed(worker.job.number, "'gate 1,2' is only shown."))
    widget.panel.poll()
    assert "'gate 1,2' is only shown." in said(widget)
    assert outline_node() is None
    assert ui.switchButton.enabled


@pytest.mark.parametrize("answers", [0, 1])
def test_cancel_leaves_everything_as_it_was(widget, ui, worker, a_node, answers):
    show_map(widget)
    look_elsewhere(a_node)
    ui.switchButton.click()
    for _ in range(answers):
        finish(widget)
    widget.panel.input.cancel()
    worker.say(messages.JobCancelled(worker.job.number))
    widget.panel.poll()
    assert "as it was" in said(widget)
    assert outline_node() is None
    assert not widget.panel.session.is_busy


def test_a_volume_that_changes_between_the_answers_ends_it(widget, ui, a_node):
    import slicer

    show_map(widget)
    look_elsewhere(a_node)
    ui.switchButton.click()
    finish(widget)
    slicer.util.updateVolumeFromArray(a_node, np.zeros(SHAPE, np.int16))
    widget.panel.poll()
    assert "changed during the run" in said(widget)
    assert outline_node() is None


def test_other_notices_are_told_and_not_that_attention_was_changed(widget, ui, worker):
    show_map(widget)
    ui.switchButton.click()
    changed = replaced_sentence([Replacement("gate 1,2")])
    worker.say(messages.Notice(worker.job.number, changed))
    worker.finish(notices=(changed, "Went on with the CPU."))
    widget.panel.poll()
    assert "Went on with the CPU." in said(widget)
    assert changed not in said(widget)
