"""From a volume to a label map and attention maps."""
