"""What is made of a label map: scores, reports, pictures, files."""
