"""What the result would be without an attention map: the run that computes it, and how it is shown. No Qt."""
