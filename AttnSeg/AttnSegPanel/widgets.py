"""What we touch of the panel's widgets and of the parameter node, as types; Qt's and Slicer's own have none here.

A test compares the names with the form and with the parameter node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from AttnSegLib.mrml.protocols import RoiNode, SegmentationNode, VolumeNode


class Widget(Protocol):
    """QWidget, as PythonQt shows it: properties are attributes."""

    enabled: bool
    visible: bool
    toolTip: str
    palette: Any  # QPalette

    def connect(self, signal: str, slot: Callable[..., object], /) -> object: ...
    def blockSignals(self, blocked: bool, /) -> bool: ...


class PushButton(Widget, Protocol):
    """QPushButton."""

    text: str
    checked: bool


class CheckBox(Widget, Protocol):
    """QCheckBox."""

    checked: bool


class LineEdit(Widget, Protocol):
    """QLineEdit."""

    text: str


class SpinBox(Widget, Protocol):
    """QSpinBox, and QDoubleSpinBox, whose numbers are no whole ones."""

    maximum: int
    value: int


class TextLabel(Widget, Protocol):
    """QLabel."""

    text: str


class TextBrowser(Widget, Protocol):
    """QTextBrowser."""

    html: str


class ProgressBar(Widget, Protocol):
    """QProgressBar."""

    maximum: int
    value: int


class Slider(Widget, Protocol):
    """QSlider."""

    maximum: int
    value: int


class CollapsibleButton(Widget, Protocol):
    """ctkCollapsibleButton."""

    collapsed: bool


class ComboBox(Widget, Protocol):
    """QComboBox; a value belongs to each of its texts."""

    count: int
    currentIndex: int

    def itemText(self, index: int, /) -> str: ...
    def itemData(self, index: int, /) -> Any: ...  # whatever was added with the text
    def findData(self, value: object, /) -> int: ...
    def addItem(self, text: str, value: object, /) -> None: ...
    def setCurrentIndex(self, index: int, /) -> None: ...
    def clear(self) -> None: ...


class NodeBox(Widget, Protocol):
    """qMRMLNodeComboBox."""

    def sortFilterProxyModel(self) -> Any: ...  # qMRMLSortFilterProxyModel


class TableWidget(Widget, Protocol):
    """QTableWidget."""

    def currentRow(self) -> int: ...
    def setRowCount(self, count: int, /) -> None: ...
    def setItem(self, row: int, column: int, item: object, /) -> None: ...
    def horizontalHeader(self) -> Any: ...  # QHeaderView
    def verticalHeader(self) -> Any: ...  # QHeaderView
    def rowHeight(self, row: int, /) -> int: ...
    def setFixedHeight(self, height: int, /) -> None: ...


class PanelForm(Protocol):
    """The widgets of Resources/UI/AttnSeg.ui that the sections touch, by name."""

    inputVolumeBox: NodeBox
    organBox: ComboBox
    modelBox: ComboBox
    deviceBox: ComboBox
    levelBox: ComboBox
    planeBox: ComboBox
    flipsBox: CheckBox
    fastBox: CheckBox
    preflightLabel: TextLabel
    applyButton: PushButton
    cancelButton: PushButton
    progressBar: ProgressBar
    statusLabel: TextLabel
    resultSection: CollapsibleButton
    attentionSection: CollapsibleButton
    checkSection: CollapsibleButton
    cohortSection: CollapsibleButton
    teachSection: CollapsibleButton
    modelsSection: CollapsibleButton
    setupSection: CollapsibleButton
    measureTable: TableWidget
    copyButton: PushButton
    undoButton: PushButton
    seeAttentionButton: PushButton
    checkLinks: TextLabel
    editorButton: PushButton
    surfaceBox: CheckBox
    compareButton: PushButton
    compareTable: TableWidget
    mapBox: ComboBox
    mapSlider: Slider
    wholeVolumeButton: PushButton
    sequenceButton: PushButton
    switchButton: PushButton
    switchAllButton: PushButton
    eraseButton: PushButton
    eraseBox: ComboBox
    eraseRadiusBox: SpinBox
    hideMapsButton: PushButton
    queryButton: PushButton
    renderingBox: CheckBox
    attentionLabel: TextLabel
    absoluteBox: CheckBox
    channelTable: TableWidget
    checkTable: TableWidget
    redoButton: PushButton
    openCohortButton: PushButton
    cohortLabel: TextLabel
    previousInCohortButton: PushButton
    nextInCohortButton: PushButton
    acceptCaseButton: PushButton
    correctCaseButton: PushButton
    keepCorrectionButton: PushButton
    caseSegmentationBox: NodeBox
    collectionBox: ComboBox
    newCollectionButton: PushButton
    openCollectionButton: PushButton
    newCollectionFrame: Widget
    newNameEdit: LineEdit
    newModalityBox: ComboBox
    newSegmentsLabel: TextLabel
    makeCollectionButton: PushButton
    partlyBox: CheckBox
    firstLabelledBox: SpinBox
    lastLabelledBox: SpinBox
    addCaseButton: PushButton
    caseTable: TableWidget
    lookButton: PushButton
    replaceCaseButton: PushButton
    takeOutButton: PushButton
    collectionLabel: TextLabel
    beginBox: ComboBox
    networkBox: ComboBox
    timeBox: ComboBox
    everyCaseBox: CheckBox
    everyCaseLabel: TextLabel
    teachButton: PushButton
    pauseButton: PushButton
    discardButton: PushButton
    teachBar: ProgressBar
    teachLabel: TextLabel
    curvesButton: PushButton
    leftOutButton: PushButton
    nextCaseButton: PushButton
    elsewhereButton: PushButton
    modelTable: TableWidget
    cardText: TextBrowser
    downloadButton: PushButton
    importFolderButton: PushButton
    importFileButton: PushButton
    deleteButton: PushButton
    downloadBar: ProgressBar
    modelsLabel: TextLabel
    checkButton: PushButton
    installButton: PushButton
    openvinoButton: PushButton
    setupLabel: TextLabel


class Parameters(Protocol):
    """The user's choices, as the parameter node keeps them: AttnSeg.AttnSegParameterNode says what they mean."""

    inputVolume: VolumeNode | None
    modelId: str
    device: str
    level: int
    plane: str
    roi: RoiNode | None
    firstSlice: int
    lastSlice: int
    flips: bool
    fast: bool
    segmentation: SegmentationNode | None
    reference: SegmentationNode | None
    caseSegmentation: SegmentationNode | None
    attentionMap: str
    opacity: float
    threshold: float
    fullScale: bool
    absolute: bool
    eraseRadius: float
    cohortFolder: str
    cohortCase: str
    cohortScan: VolumeNode | None
    cohortSegmentation: SegmentationNode | None

    def connectGui(self, ui: object, /) -> int: ...
    def disconnectGui(self, tag: int | None, /) -> None: ...
