"""The two ways in which a request ends early; both are meant to be shown to the user."""


class InputError(ValueError):
    """Bad input. The message is one clear sentence that says what is wrong and what to do."""


class Cancelled(Exception):
    """The user cancelled; nothing was kept."""


def cause_of(error: OSError) -> str:
    """Why an operation of the system failed, in words; never empty, which `strerror` may be."""
    return error.strerror or str(error) or type(error).__name__


def printable(text: str) -> str:
    """Text for a terminal: what it would obey, or what is no letter, as names of files may have it, is written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
