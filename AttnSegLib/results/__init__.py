"""Everything that is made from a label map: scores, reports, pictures, files."""
