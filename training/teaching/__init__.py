"""From a collection of one's own segmentations to a recipe, and to the scan that is worth labelling next."""
