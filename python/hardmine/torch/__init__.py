"""What trains models: losses, modules and miners for PyTorch. The only package of this library that imports torch."""

try:
    import torch as torch
except ImportError:
    raise ImportError('hardmine.torch needs PyTorch: pip install "hardmine[torch]"') from None

from . import losses as losses
from . import miners as miners
from . import modules as modules
