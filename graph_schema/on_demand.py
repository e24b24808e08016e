"""What is loaded, and when: names of a package one by one, a library without another one."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any


def on_demand(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package whose names are imported when first asked for.

    Where they stand, its `if TYPE_CHECKING:` tells, whose imports type checkers follow and Python
    leaves out: they are read from its source when a name is looked up that is not there yet.

    Args:
        package: Its `__name__`.
    """

    @cache
    def homes() -> dict[str, str]:
        here = sys.modules[package]
        tree = ast.parse("".join(linecache.getlines(str(here.__file__), vars(here))))
        for_checkers = next(each for each in tree.body if isinstance(each, ast.If))
        imports = [each for each in for_checkers.body if isinstance(each, ast.ImportFrom)]
        return {name.name: str(each.module) for each in imports for name in each.names}

    def load(name: str) -> Any:
        if name not in homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes()[name]), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes()})

    return load, names


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
