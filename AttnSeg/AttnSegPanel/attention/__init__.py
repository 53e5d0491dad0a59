"""The section Attention: which map is seen, how, and what would be found without it."""
