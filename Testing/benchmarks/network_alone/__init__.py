"""A network against the machine, and against itself: pruned, in another number format, with and without maps."""
