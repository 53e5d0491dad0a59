"""Who has to wait: the user for the start and for the panel, the panel for the worker, training for its slices."""
