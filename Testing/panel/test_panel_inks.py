"""Warnings, errors, ticks and links can be read on Slicer's light and dark styles."""

import sys

import pytest
from panel_at_work import MODULE

# what lies behind the panel's texts in Slicer 5.12, measured in pictures of both styles
BACKGROUNDS = {"LIGHT": ["#eff0f1", "#f7f7f7", "#ffffff"], "DARK": ["#2d3033", "#323232"]}


def luminance(color):
    """As WCAG 2 defines it, 0 to 1."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("style", BACKGROUNDS)
def test_inks_stand_out(style, ui):
    assert ui is not None
    inks = getattr(sys.modules["AttnSegPanel.inks"], style)
    assert set(inks) == {"warning", "error", "good", "link"}
    for kind, ink in inks.items():
        for background in BACKGROUNDS[style]:
            assert contrast(ink, background) >= 4.5, (kind, background)


def test_the_ink_follows_the_style(widget, ui):
    import qt

    inks = sys.modules["AttnSegPanel.inks"]
    widget.panel.say("It failed.", is_error=True)
    assert inks.LIGHT["error"] in ui.statusLabel.text
    palette = ui.statusLabel.palette
    palette.setColor(qt.QPalette.Window, qt.QColor("#323232"))
    ui.statusLabel.setPalette(palette)
    widget.panel.say("It failed.", is_error=True)
    assert inks.DARK["error"] in ui.statusLabel.text


def test_a_change_of_style_while_the_panel_is_open_is_noticed(widget, ui, worker):
    import qt

    from AttnSegLib.inference.checks.finding import Finding
    from AttnSegLib.worker import messages

    inks = sys.modules["AttnSegPanel.inks"]
    widget.panel.session.check()
    worker.say(messages.Checked(worker.job.number, (Finding("torch", False, "is missing", "get it"),)))
    widget.panel.poll()
    widget.panel.say("It failed.", is_error=True)
    labels = (ui.statusLabel, ui.preflightLabel, ui.setupLabel)
    for old, new, background in ((inks.LIGHT, inks.DARK, "#323232"), (inks.DARK, inks.LIGHT, "#f7f7f7")):
        for label in labels:
            palette = label.palette
            palette.setColor(qt.QPalette.Window, qt.QColor(background))
            label.setPalette(palette)
        widget.panel.poll()
        for label in labels:
            assert any(ink in label.text for ink in new.values()), label.name
            assert not any(ink in label.text for ink in old.values()), label.name


def test_no_other_colours_are_written():
    for path in (MODULE.parent / "AttnSegPanel").rglob("*.py"):
        assert path.name == "inks.py" or "color:#" not in path.read_text(encoding="utf-8"), path
