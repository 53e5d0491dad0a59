"""Stand-ins for Slicer's own modules in Python, such as `slicer.parameterNodeWrapper`."""
