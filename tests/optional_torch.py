"""PyTorch where it is installed. Elsewhere the suite runs without: a test that comes to use `torch` skips, and says so.

`if torch:` asks, for tests in which a tensor is one of many arrays.
"""

import importlib.util

import pytest


class _Torch:
    def __bool__(self):
        return importlib.util.find_spec("torch") is not None

    def __getattr__(self, name):
        if name.startswith("_"):  # what pytest asks every object that it collects
            raise AttributeError(name)
        return getattr(pytest.importorskip("torch", reason="needs PyTorch"), name)


torch = _Torch()
