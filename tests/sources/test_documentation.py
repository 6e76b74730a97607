"""docs/rows.md is run, so that a first-time reader gets what it shows."""

import doctest
import pathlib

import pytest


def test_the_page_on_rows():
    pytest.importorskip("pyarrow", reason="needs PyArrow")
    page = pathlib.Path(__file__).parents[2] / "docs/rows.md"
    outcome = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert outcome.attempted >= 8 and outcome.failed == 0
