"""Fixtures: every test that asks for `isa` runs on every instruction set this machine has."""

import os
import pathlib
import sys

import hypothesis
import numpy as np
import pytest

import hardmine
from hardmine import _core
from isas import ISAS, using_isa
from optional_torch import torch

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60)
hypothesis.settings.register_profile("deep", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_report_header():
    line = f"hardmine {hardmine.__version__}: ISAs {', '.join(_core.isas_runnable())}; {_core.threads()} threads"
    line += f"; NumPy {np.__version__}" + ("" if getattr(sys, "_is_gil_enabled", lambda: True)() else "; no GIL")
    return line if torch else line + "; no PyTorch, so that tests pass arrays alone and those of tensors skip"


@pytest.fixture(params=ISAS)
def isa(request):
    with using_isa(request.param) as name:
        yield name


@pytest.fixture(autouse=True)
def choices_are_left():
    """A test leaves instruction set and screen as they were; one that does not fails, and those after it run as ever."""
    before = _core.isa(), _core.screen()
    yield
    after = _core.isa(), _core.screen()
    _core.use_isa(before[0])
    _core.use_screen(before[1])
    assert after == before


@pytest.fixture(autouse=True)
def proofs_hold():
    """No interval may miss its distance, even where the search finds out and answers rightly."""
    before = _core.failed_proofs()
    yield
    assert _core.failed_proofs() == before


@pytest.fixture
def rng():
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def data():
    """The folder of real data sets, or a skip."""
    for folder in (os.environ.get("HARDMINE_DATA"), pathlib.Path(__file__).parents[2] / "shared" / "data"):
        if folder and pathlib.Path(folder).is_dir():
            return pathlib.Path(folder)
    pytest.skip("no real data: set HARDMINE_DATA to their folder")
