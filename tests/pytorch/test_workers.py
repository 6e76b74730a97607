"""Loaders whose workers mine, forked and spawned from a process whose threads have mined, end; so do a miner's own."""

import pathlib
import subprocess
import sys

import pytest

from optional_torch import torch

if not torch:
    pytest.skip("needs PyTorch", allow_module_level=True)

PROGRAM = '''
import sys

import torch
from torch.utils.data import DataLoader, Dataset

from hardmine.torch.miners import BatchMiner, RefreshingMiner

N = 400
X = torch.randn(N, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(N) % 8
MINER = BatchMiner(strategy="batch_hard")


class Batches(Dataset):
    """Each item is mined where it is made."""

    def __len__(self):
        return 8

    def __getitem__(self, i):
        rows = slice(50 * i, 50 * i + 50)
        return torch.stack(MINER(X[rows], LABELS[rows]))


class Rows(Dataset):
    def __len__(self):
        return N

    def __getitem__(self, i):
        return X[i], LABELS[i]


if __name__ == "__main__":
    how = {"num_workers": 1, "multiprocessing_context": sys.argv[1]}
    here = [Batches()[i] for i in range(8)]  # threads are up
    there = list(DataLoader(Batches(), batch_size=None, **how))
    assert all(torch.equal(a, b) for a, b in zip(here, there)) and len(there) == 8
    model = torch.nn.Linear(16, 4)
    miners = [RefreshingMiner(model, data, LABELS, every=4, batch_size=32, loader=loader) for data, loader in ((X, None), (Rows(), how))]
    for _, one, other in zip(range(4), *miners):
        assert all(torch.equal(a, b) for a, b in zip(one, other))
    print("done")
'''  # noqa: E501


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_workers_end(tmp_path: pathlib.Path, how):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([sys.executable, program, how], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr
