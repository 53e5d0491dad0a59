"""Stand-ins for the ctk and qMRML widgets, and Qt as Slicer's Python sees it."""
