"""The tables of the five papers: what they print, and how each row is made here."""
