"""Cases of one's own to teach a model from: a folder that the panel and `training` both know. No torch."""
