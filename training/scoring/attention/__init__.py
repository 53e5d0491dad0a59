"""Measures how useful attention maps are."""
