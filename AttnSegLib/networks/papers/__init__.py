"""The networks of the five papers; one file each."""
