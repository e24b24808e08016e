"""What the machine refuses is told apart from bugs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from graph_schema.errors import ResourceError
from workers.machine import machine_error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left", "/a/b"), "No space left: '/a/b'; make room"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), "who may write there"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (MemoryError(), "out of memory"),
    ],
)
def test_what_the_machine_refuses_says_what_to_do(error: Exception, said: str) -> None:
    found = machine_error(error)
    assert isinstance(found, ResourceError)
    assert said in str(found)


def test_a_file_of_ours_that_is_missing_may_be_a_bug(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        os.stat(tmp_path / "none")
    assert machine_error(raised.value) is None
    assert machine_error(KeyError("x")) is None
