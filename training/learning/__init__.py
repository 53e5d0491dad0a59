"""Recipes, and how a network learns by one."""
