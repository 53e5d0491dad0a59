"""AttnSeg: 2D attention networks over the slices of a volume, with the maps of where they looked.

Importing the package imports neither torch nor SimpleITK: inside 3D Slicer they may not be installed yet.
"""

__version__ = "0.1.0"
