"""A collection and its teaching in the scene: cases from nodes, cases as nodes, curves. No Qt."""
