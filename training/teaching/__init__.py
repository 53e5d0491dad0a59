"""Makes a recipe from a collection of the user's own segmentations, and suggests the scan to label next."""
