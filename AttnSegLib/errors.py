"""The two ways in which a request ends early; both are meant to be shown to the user."""


class InputError(ValueError):
    """Bad input. The message is one clear sentence that says what is wrong and what to do."""


class Cancelled(Exception):
    """The user cancelled; nothing was kept."""
