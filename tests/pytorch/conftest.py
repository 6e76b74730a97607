"""One thread of torch's: models of a few numbers wait longer for threads than they compute."""

import pytest

from optional_torch import torch


@pytest.fixture(autouse=True)
def one_thread():
    if not torch:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
