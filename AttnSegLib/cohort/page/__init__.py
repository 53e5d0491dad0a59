"""The page of a cohort, `cohort.html`: one file that asks the net for nothing."""
