"""Headless training and evaluation: data sets in, model folders out. Uses the library; the library never uses it.

It is run in a checkout, where its recipes are: no wheel holds it. docs/training.md says what to run, and where to add
what.
"""
