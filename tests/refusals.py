"""Bad input is refused: with which exception, and what it says."""

import re

import pytest


def assert_refused(call, error, message):
    """The call raises `error`, whose message holds `message`."""
    with pytest.raises(error, match=re.escape(message)):
        call()
