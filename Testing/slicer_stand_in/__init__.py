"""Enough of the 3D Slicer application for tests, on the `slicer-core` wheel (Slicer's own MRML) and PySide6.

`headless.start()` gives `slicer.mrmlScene`, `slicer.app` and `slicer.modules`; `gui.start()` adds `qt`, `ctk` and the
qMRML widgets; `gui.open_module(path)` opens the panel of a scripted module. Tests take the fixtures of `fixtures.py`.

Real are: the scene, its nodes and logics, slice logics, `slicer.util`, Qt itself. Stand-ins are: the application, the
layout manager, the module manager, all ctk and qMRML widgets, and, unless the environment variable SLICER_SOURCE names
a checkout of Slicer, `ScriptedLoadableModule`, `parameterNodeWrapper`, `i18n` and `SampleData`. What has no stand-in
raises when it is used. Not shown by such tests: look and style, the order of signals inside real qMRML widgets,
subject hierarchy plugins (no automatic items), module discovery, reload, translations. A run in Slicer stays necessary.
"""
