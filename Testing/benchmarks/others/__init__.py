"""AttnSeg against what its users would take instead."""
