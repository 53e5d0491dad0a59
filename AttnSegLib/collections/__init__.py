"""Collections: folders of a user's own cases, to teach a model from. The panel and `training` use them. No torch."""
