"""A whole prediction against the network in it, against larger scans, and against the memory that it may take."""
