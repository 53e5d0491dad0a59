"""Loss and Dice of a teaching as a plot of the scene. No Qt."""

from __future__ import annotations

from collections.abc import Sequence

import vtk

from AttnSegLib.collections.teaching_run import LearningCurve
from AttnSegLib.mrml.protocols import PlotChartNode, PlotSeriesNode, Scene, TableNode

_MINUTES = "minutes"
_LOSS, _DICE = "loss", "Dice of cases left out"
_BLUE, _ORANGE = (0.0, 0.45, 0.7), (0.84, 0.37, 0.0)  # told apart by everybody, on white and on black


class CurvePlot:
    """A chart with two curves, each with a table of its own, since Dice is computed rarely."""

    def __init__(self, scene: Scene, title: str):
        self._scene = scene
        self._tables = [self._table(title, name) for name in (_LOSS, _DICE)]
        self.chart = self._chart(title)

    @property
    def is_there(self) -> bool:
        """Whether the scene still has it all."""
        return all(node.GetScene() is not None for node in (self.chart, *self._tables))

    def show(self, curve: LearningCurve) -> None:
        """Draw what the run has learnt so far."""
        _fill(self._tables[0], (curve.minutes, curve.losses), _LOSS)
        _fill(self._tables[1], (curve.scored, curve.dice), _DICE)

    def _table(self, title: str, name: str) -> TableNode:
        node = self._scene.AddNewNodeByClass("vtkMRMLTableNode", f"{title}: {name}")
        node.SetSaveWithScene(False)
        _fill(node, ((), ()), name)
        return node

    def _chart(self, title: str) -> PlotChartNode:
        chart = self._scene.AddNewNodeByClass("vtkMRMLPlotChartNode", title)
        chart.SetTitle(title)
        chart.SetXAxisTitle(_MINUTES)
        chart.SetYAxisTitle(f"{_LOSS}, {_DICE}")
        for table, name, color in zip(self._tables, (_LOSS, _DICE), (_BLUE, _ORANGE), strict=True):
            chart.AddAndObservePlotSeriesNodeID(self._series(table, name, color).GetID())
        chart.SetSaveWithScene(False)
        return chart

    def _series(self, table: TableNode, name: str, color: tuple[float, float, float]) -> PlotSeriesNode:
        series = self._scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetPlotType(series.PlotTypeScatter)
        series.SetXColumnName(_MINUTES)
        series.SetYColumnName(name)
        series.SetMarkerStyle(series.MarkerStyleCircle if name == _DICE else series.MarkerStyleNone)
        series.SetColor(*color)
        series.SetSaveWithScene(False)
        return series


def _fill(node: TableNode, columns: tuple[Sequence[float], Sequence[float]], name: str) -> None:
    table = vtk.vtkTable()
    for title, values in zip((_MINUTES, name), columns, strict=True):
        column = vtk.vtkFloatArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(value)
        table.AddColumn(column)
    node.GetTable().DeepCopy(table)
    node.GetTable().Modified()
    node.Modified()
