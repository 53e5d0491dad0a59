"""Many scans at once: which cases there are, one after the other, one table and one page of all."""
