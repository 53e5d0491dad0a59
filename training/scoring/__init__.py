"""Scores of models: what is scored, against what, and the tables, tests and figures made of it."""
