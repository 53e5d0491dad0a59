"""Ring 1: Slicer's nodes, without Qt. Only here may the library import slicer and vtk, and never torch."""
