"""From the cases of a data set to batches of slices."""
