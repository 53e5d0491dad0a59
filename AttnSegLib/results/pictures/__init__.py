"""Pictures of results: one scan on a page, one slice, thumbnails, and the colours of attention maps."""
