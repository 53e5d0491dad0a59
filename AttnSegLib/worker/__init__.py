"""Prediction in a process of its own: `client` on this side, `process` on the other, `messages` between them."""
