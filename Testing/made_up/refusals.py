"""How inputs are refused: with one sentence that says what to do."""

import pytest

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_volume


def refusal(path, **kwargs):
    """The message with which a file is refused: one sentence with a remedy."""
    with pytest.raises(InputError) as caught:
        read_volume(path, **kwargs)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert "; " in message
    return message
