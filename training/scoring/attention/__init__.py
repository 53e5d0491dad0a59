"""What attention maps are worth."""
