"""What is looked at before a run: whether the scan suits the model, and whether this machine can run it."""
