"""Who works: one name and one file lock a process that owns jobs.

The lock lies under `CIRCUITS_HOME` and ends with its process, however that ends. Whoever finds one
free on the same machine knows that its owner is dead and need not wait for a lease to run out.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

SUFFIX = ".lock"


@contextmanager
def owner_name(home: Path) -> Generator[str]:
    """A name that no other process has, and its lock held until the end."""
    folder = _folder(home)
    name = f"{_host()}-{os.getpid()}-{uuid4().hex[:8]}"
    draft, path = folder / f"{name}.new", folder / f"{name}{SUFFIX}"
    with draft.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        draft.rename(path)  # nobody sees it unlocked
        try:
            yield name
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def dead_owners(home: Path) -> Generator[list[str]]:
    """Names of this machine's owners that ended without saying so.

    Each stays locked for the body, so that one process alone deals with it; when the body ends
    well they are forgotten.
    """
    open_files = {}
    try:
        for path in sorted(_folder(home).glob(f"{_host()}-*{SUFFIX}")):
            try:
                file = path.open("r+")
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
            else:
                open_files[path] = file
        yield [path.name.removesuffix(SUFFIX) for path in open_files]
        for path in open_files:
            path.unlink(missing_ok=True)
    finally:
        for file in open_files.values():
            file.close()


def _folder(home: Path) -> Path:
    folder = home / "owners"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())
