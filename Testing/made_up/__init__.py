"""A data set that can be learned in seconds, and a recipe for it."""
