"""What is loaded, and when: names of a package one by one, a library without another one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
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


@contextmanager
def hidden(name: str) -> Generator[None]:
    """Let `import name` fail here, as if it were not installed (unless it is loaded already)."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        del sys.modules[name]
