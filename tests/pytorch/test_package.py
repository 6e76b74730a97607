"""`import hardmine` leaves torch alone, and `hardmine.torch` says what is missing where torch is."""

import subprocess
import sys

from optional_torch import torch


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)


def test_hardmine_does_not_import_torch():
    done = run("import sys, hardmine; print(sorted({'torch', 'hardmine.torch'} & set(sys.modules)))")
    assert done.stdout == "[]\n", done.stderr


def test_without_torch_it_says_how_to_install_it():
    done = run("import sys; sys.modules['torch'] = None; import hardmine, hardmine.torch")
    assert done.returncode == 1
    assert 'ImportError: hardmine.torch needs PyTorch: pip install "hardmine[torch]"' in done.stderr


def test_every_public_name_is_listed():
    if not torch:
        return
    from hardmine.torch import losses, miners, modules

    for package in (losses, miners, modules):
        assert all(callable(getattr(package, name)) and getattr(package, name).__doc__ for name in package.__all__)
        assert package.__all__ == sorted(package.__all__)
        assert all("Examples\n    --------\n" in getattr(package, name).__doc__ for name in package.__all__)
