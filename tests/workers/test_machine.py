"""What the machine refuses is told apart from bugs."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from graph_schema.artifacts import ArtifactStore
from graph_schema.documents import ModelSource
from graph_schema.documents.jobs import JobRecord, JobState, Placement
from graph_schema.errors import ResourceError, StoreUnavailable
from graph_schema.private_files import write_private
from workers import broker
from workers.files import write_whole
from workers.machine import machine_error
from workers.settings import Settings


@contextmanager
def no_room() -> Generator[None]:
    """A file may have 10 bytes: what is written fails half-way, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left", "/a/b"), "No space left: '/a/b'; make room"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), "who may read and write there"),
        (OSError(errno.ETIMEDOUT, "Connection timed out", "/nfs/a"), "can be reached"),
        (TimeoutError(), "can be reached"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (MemoryError(), "out of memory"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "ulimit -v"),
    ],
)
def test_what_the_machine_refuses_says_what_to_do(error: Exception, said: str) -> None:
    found = machine_error(error)
    assert isinstance(found, ResourceError)
    assert said in str(found)


def test_a_name_does_not_grow_shorter_by_waiting() -> None:
    found = machine_error(OSError(errno.ENAMETOOLONG, "File name too long", "/a"))
    assert found is not None
    assert not found.retryable
    assert "use a shorter path" in str(found)


def test_a_file_of_ours_that_is_missing_may_be_a_bug(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        os.stat(tmp_path / "none")
    assert machine_error(raised.value) is None
    assert machine_error(KeyError("x")) is None
    assert machine_error(ImportError("cannot import name 'x'")) is None


def test_without_room_nothing_half_written_is_left(tmp_path: Path) -> None:
    app = broker.make_app(Settings(home=tmp_path))
    placement = Placement(model=ModelSource(name="/m")).canonical_json()
    job = JobRecord(
        job_id="a" * 64,
        kind="discover",
        state=JobState.QUEUED,
        spec="{}",
        placement=placement,
        submitted_at=0,
    )
    artifacts = ArtifactStore(str(tmp_path / "artifacts"))
    with no_room():
        with pytest.raises(StoreUnavailable, match=r"broker/queue' .*File too large.* has room"):
            broker.send(app, job)
        with pytest.raises(ResourceError, match="see that the place exists, is yours and has room"):
            artifacts.save("a/b", {"x": np.arange(9)})
        with pytest.raises(ResourceError, match="make room, or write elsewhere"):
            write_whole(tmp_path / "export", bytes(99), force=False)
        with pytest.raises(OSError, match="File too large"):
            write_private(tmp_path / "state.json", "{}" * 99)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    broker.send(app, job)
    assert broker.queue_depth(app) == 1
    app.close()
