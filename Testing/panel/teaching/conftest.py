"""Fixtures of the section "Teach"."""

from teaching_at_work import collected as collected
from teaching_at_work import drawn as drawn
