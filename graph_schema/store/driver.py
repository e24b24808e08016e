"""Loads the Neo4j driver without pandas.

The driver imports pandas wherever it is installed, to accept its types as parameters; we send none,
and every command that touches the store would pay half a second for it. This module is the first
that `graph_schema.store` imports, and the only one that hides anything.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def _hidden(name: str) -> Generator[None]:
    """Let `import name` fail here, as if it were not installed (unless it is loaded already)."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        del sys.modules[name]


with _hidden("pandas"):
    import neo4j

DRIVER_VERSION: str = neo4j.__version__
