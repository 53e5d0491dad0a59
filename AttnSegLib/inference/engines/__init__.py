"""What runs a network over slices: torch, which can do everything, or OpenVINO, which is faster on a CPU."""
