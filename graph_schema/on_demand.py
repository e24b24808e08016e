"""Packages whose names are loaded one by one, so that who needs a light one loads no heavy one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def on_demand(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package: imports a name's module when the name is first asked for.

    Args:
        package: Its `__name__`.
        names: By the module of the package that they stand in.
    """
    home = {name: module for module, those in names.items() for name in those}

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{home[name]}"), name)

    return load
