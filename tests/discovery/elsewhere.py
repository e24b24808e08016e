"""A second device on every machine: its tensors lie in main memory, and mixing devices shows.

A tensor that is `Elsewhere` says that its device is `ELSEWHERE` and computes as on the CPU. Within
`second_device()` tensors are made there when asked for, and an operation on tensors of both devices
fails as it does beside a GPU: only scalars and indices may come from the CPU. So code that forgets
a `device=` fails here, without a GPU. What a GPU computes, and how fast, this cannot show.

The device's name is `meta:0`, as torch knows no spare one: it is a real name that needs no driver.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

ELSEWHERE = torch.device("meta", 0)
MOVES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
INDEXES = (
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
)


Model = TypeVar("Model", bound=nn.Module)


class Elsewhere(Tensor):
    """`here`, on the second device."""

    here: Tensor

    def __new__(cls, here: Tensor) -> Elsewhere:
        found = Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            layout=here.layout,
            device=torch.device("cpu"),
            requires_grad=here.requires_grad,
            dispatch_device=True,
        )
        assert isinstance(found, Elsewhere)
        found.here = here
        return found

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _dispatch(func, args, kwargs or {})


def moved(model: Model) -> Model:
    """A copy of a model on the second device."""
    model = copy.deepcopy(model)
    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False):
            there = nn.Parameter(Elsewhere(weight.detach()), weight.requires_grad)
            module.register_parameter(name, there)
        for name, buffer in module.named_buffers(recurse=False):
            module.register_buffer(name, Elsewhere(buffer))
    return model


@contextmanager
def second_device() -> Generator[None]:
    with _MadeThere(), _Listed():
        yield


class _MadeThere(TorchDispatchMode):
    """Sees what makes a tensor from nothing."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _dispatch(func, args, kwargs or {})


class _Listed(TorchFunctionMode):
    """Sees lists, as data or as an index: torch reads them without telling a dispatch mode."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and _is_there(kwargs.get("device")):
            return Elsewhere(func(*args, **{**kwargs, "device": "cpu"}))
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            index = tuple(torch.tensor(i) if isinstance(i, list) else i for i in index)
            args = (args[0], index, *args[2:])
        return func(*args, **kwargs)


def _is_there(device: Any) -> bool:
    return device is not None and torch.device(device).type == ELSEWHERE.type


def _here(each: Any) -> Any:
    return each.here if isinstance(each, Elsewhere) else each


def _dispatch(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if func is torch.ops.prim.device.default:
        return ELSEWHERE
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    there = [each for each in tensors if isinstance(each, Elsewhere)]
    if there and func not in MOVES:
        indices = [id(each) for each in tree_leaves(args[1])] if func in INDEXES else []
        for each in tensors:
            if not isinstance(each, Elsewhere) and each.dim() and id(each) not in indices:
                raise RuntimeError(f"{func}: {ELSEWHERE} met a cpu tensor {tuple(each.shape)}")
    device = kwargs.get("device")
    made_there = bool(there) if device is None else _is_there(device)
    if _is_there(device):
        kwargs = {**kwargs, "device": torch.device("cpu")}
    args, kwargs = tree_map(_here, (args, kwargs))
    out = func(*args, **kwargs)
    if func is torch.ops.aten.copy_.default:
        return tensors[0]
    if not made_there:
        return out
    # What was changed in place stays the tensor that it was.
    known = {id(each.here): each for each in there}

    def wrap(each: Any) -> Any:
        if not isinstance(each, Tensor):
            return each
        return known[id(each)] if id(each) in known else Elsewhere(each)

    return tree_map(wrap, out)
