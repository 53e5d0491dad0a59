"""Section "Teach": a collection of one's own cases, and the model that is taught from it."""
