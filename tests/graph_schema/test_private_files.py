"""Files are on the disk, with their names; logs stay within bounds while others write to them."""

from __future__ import annotations

import os
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from graph_schema.private_files import bound_log, private_log, write_whole

LAST = 200_000
WRITER = f"""
import sys
for number in range({LAST}):
    sys.stdout.buffer.write(b"%09d\\n" % number)
    sys.stdout.buffer.flush()
print("all but one", file=sys.stderr)
input()
sys.stdout.buffer.write(b"%09d\\n" % {LAST})
"""
MEGABYTES = 0.1


def test_a_file_and_then_its_name_are_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut leaves a graph that names an artifact which is not there."""
    flushed: list[tuple[str, bool]] = []
    really = os.fsync

    def fsync(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        flushed.append((kind, (tmp_path / "file").exists()))
        really(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "file", b"whole")
    assert flushed == [("file", False), ("folder", True)]


def test_a_log_is_bounded_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    kept: list[int] = []
    with private_log(log) as output:
        writer = subprocess.Popen(
            [sys.executable, "-u", "-c", WRITER],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.PIPE,
        )
    assert writer.stderr is not None
    with writer:
        while not select.select([writer.stderr], [], [], 0.0)[0]:
            if bound_log(log, MEGABYTES):
                kept += numbers(tmp_path / "worker.log.1")
        writer.communicate(b"\n")
    assert writer.returncode == 0
    kept += numbers(log)
    assert kept == sorted(set(kept)), "in their order, none twice"
    assert kept[-1] == LAST, "it goes on where the log was emptied"
    # How much that is, whoever is in the way between the two decides.
    assert len(kept) > LAST / 4, "only what comes between copying and emptying is lost"
    assert {path.name for path in tmp_path.iterdir()} == {"worker.log", "worker.log.1"}


def numbers(path: Path) -> list[int]:
    """Those of whole lines: one may be cut where it was written as the file was emptied."""
    lines = path.read_bytes().split(b"\n")
    assert all(b"\0" not in line for line in lines), "its writer goes on at the start"
    return [int(line) for line in lines if len(line) == 9]


def test_a_short_log_stays_and_one_that_is_not_there_is_none(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    assert not bound_log(log)
    log.write_text("a line\n")
    assert not bound_log(log)
    assert log.read_text() == "a line\n"
