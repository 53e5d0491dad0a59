"""Scores models against reference label maps, and makes tables, statistical tests and figures of the scores."""
