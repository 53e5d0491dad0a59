"""Fixtures of the section "Teach"."""

from teaching_at_work import begun as begun
from teaching_at_work import collected as collected
from teaching_at_work import drawn as drawn
from teaching_at_work import ready as ready
