"""Run in a downloaded Slicer: installs the PyTorch extension as users do. Slicer has it after its next start."""

import slicer

manager = slicer.app.extensionsManagerModel()
manager.interactive = False  # no questions
if not manager.installExtensionFromServer("PyTorch", False):
    raise RuntimeError("the PyTorch extension can't be installed")
