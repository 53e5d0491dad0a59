"""Measures how far probabilities and the slices to check can be trusted."""
