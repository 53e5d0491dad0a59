"""Run in a downloaded Slicer that has the PyTorch extension: installs torch with it, as AttnSeg's panel does."""

import PyTorchUtils

torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=False)
print(f"torch {torch.__version__}")
