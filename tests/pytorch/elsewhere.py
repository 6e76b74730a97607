"""A second device without one: tensors that say they lie on "meta" and hold their numbers here, as strict as a GPU's.

An operation of tensors of both devices raises, but for those that torch allows: copies, indices, and tensors of one number.
`Tensor.numpy` and what else looks at memory finds none. So what runs in a `SecondDevice` mixes no devices.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
COPIES = {"_to_copy", "copy_", "_copy_from"}
INDICES = {"index", "index_put", "index_put_", "_index_put_impl_"}


class Elsewhere(torch.Tensor):
    """What `here` holds, on the second device."""

    @staticmethod
    def __new__(cls, here):
        options = {"dtype": here.dtype, "device": DEVICE, "strides": here.stride(), "requires_grad": here.requires_grad}
        tensor = torch.Tensor._make_wrapper_subclass(cls, here.shape, **options)
        tensor.here = here.detach()
        return tensor

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


def there(tensor):
    """A copy on the second device."""
    return Elsewhere(tensor.detach().clone())


def here(value):
    return value.here if isinstance(value, Elsewhere) else value


def run(func, args, kwargs):
    name = func.__name__.split(".")[0]
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
    away = [isinstance(x, Elsewhere) for x in tensors]
    if any(away) and not all(away) and name not in COPIES:
        mixed = [x for x, far in zip(tensors, away) if far != away[0] and x.ndim]
        indices = name in INDICES and away[0] and all(x.dtype in (torch.int64, torch.bool) for x in mixed)
        if mixed and not indices:
            raise RuntimeError(f"{name}: expected tensors of one device, got two")
    asked = kwargs.get("device")
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if name in ("_local_scalar_dense", "is_same_size"):
        return func(*tree_map(here, args), **kwargs)
    result = func(*tree_map(here, args), **tree_map(here, kwargs))
    if name.endswith("_") and not name.startswith("__"):
        return args[0]
    far = torch.device(asked) == DEVICE if asked is not None else bool(tensors) and away[0] if name in INDICES else any(away)
    return tree_map(lambda x: Elsewhere(x) if isinstance(x, torch.Tensor) and far else x, result)


class SecondDevice(TorchDispatchMode):
    """Tensors made for the second device, or moved there, are its own."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})
