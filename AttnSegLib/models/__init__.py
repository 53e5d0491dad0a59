"""Trained models: their cards, where they lie, downloading, weights."""
