"""Headless training and evaluation: data sets in, model folders out. Uses the library; the library never uses it.

docs/training.md says what to run, and where to add what.
"""
