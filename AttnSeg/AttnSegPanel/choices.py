"""Filling combo boxes and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import qt

from AttnSegLib.models.card import ModelSpec
from AttnSegPanel.widgets import CheckBox, ComboBox, PushButton, Slider, TableWidget

_FRAME = 8  # pixels around the rows of a table


def fill_box(box: ComboBox, choices: Sequence[tuple[str, Any]]) -> None:
    """Show these (text, value) pairs in a combo box; nothing happens if it shows them already."""
    if [(box.itemText(i), box.itemData(i)) for i in range(box.count)] == list(choices):
        return
    blocked = box.blockSignals(True)
    box.clear()
    for text, value in choices:
        box.addItem(text, value)
    box.blockSignals(blocked)


def select(box: ComboBox, value: Any) -> None:
    """Choose the entry with this value, without telling anyone; none if there is no such entry."""
    blocked = box.blockSignals(True)
    box.setCurrentIndex(box.findData(value))
    box.blockSignals(blocked)


def chosen(box: ComboBox) -> Any:
    """Value of the entry that is chosen, None if there is none."""
    return box.itemData(box.currentIndex) if box.currentIndex >= 0 else None


def check(button: PushButton | CheckBox, checked: bool) -> None:
    """Press a button or tick a box, or not, without telling anyone."""
    blocked = button.blockSignals(True)
    button.checked = checked
    button.blockSignals(blocked)


def slide(slider: Slider, value: int, maximum: int) -> None:
    """Let a slider go from 0 to a maximum and show a value, without telling anyone."""
    blocked = slider.blockSignals(True)
    slider.maximum, slider.value = maximum, value
    slider.blockSignals(blocked)


def show_rows(table: TableWidget, rows: Sequence[Sequence[str]]) -> None:
    """Fill a table with texts, numbers to the right; nothing happens if it shows them already."""
    if _shown_rows(table) == [list(texts) for texts in rows]:
        return
    table.setRowCount(len(rows))
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            if column and text[:1].isdigit():
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            table.setItem(row, column, item)
    header = table.horizontalHeader()
    header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    header.setSectionResizeMode(0, qt.QHeaderView.Stretch)  # what is too long is cut, and all columns are seen
    header.setStretchLastSection(False)
    table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)


def fit_height(table: TableWidget, rows: int) -> None:
    """Make a table as high as so many rows and its header."""
    row = table.rowHeight(0) or table.verticalHeader().defaultSectionSize
    table.setFixedHeight((rows + 1) * row + _FRAME)


def titles(models: Sequence[ModelSpec]) -> list[str]:
    """What models are called; those of one title are told apart by their ids."""
    often = Counter(model.title for model in models)
    return [f"{model.title} [{model.id}]" if often[model.title] > 1 else model.title for model in models]


def _shown_rows(table: Any) -> list[list[str]]:
    cells = [[table.item(row, column) for column in range(table.columnCount)] for row in range(table.rowCount)]
    return [[cell.text() for cell in row if cell is not None] for row in cells]
