"""A mark tells one process from every other, of any machine and any start of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from graph_schema.processes import (
    NO_LINUX,
    boot_id,
    elsewhere,
    end_process,
    marked_process,
    process_mark,
)


def test_a_mark_is_of_one_process_on_one_start_of_one_machine() -> None:
    mark = process_mark(os.getpid())
    found = marked_process(mark)
    assert found is not None
    assert found.pid == os.getpid()
    assert elsewhere(mark) is None

    space = str(mark["boot"]).partition(" ")[2]
    before = {**mark, "boot": f"another {space}"}
    assert marked_process(before) is None, "the machine was started again since"
    assert elsewhere(before) is None
    assert marked_process({**mark, "started": float(mark["started"]) + 60.0}) is None
    other = {**mark, "host": "other", "boot": f"another {space}"}
    assert marked_process(other) is None
    assert elsewhere(other) == "other"
    contained = {**mark, "boot": f"{str(mark['boot']).partition(' ')[0]} pid:[1]"}
    assert marked_process(contained) is None
    assert elsewhere(contained) == socket.gethostname()


@pytest.mark.skipif(boot_id().endswith(NO_LINUX), reason="the machine's starts have no id here")
def test_a_machine_that_was_given_another_name_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = process_mark(os.getpid())
    monkeypatch.setattr(socket, "gethostname", lambda: "renamed")
    assert marked_process(mark) is not None
    assert elsewhere(mark) is None


def test_a_mark_of_an_earlier_version_counts_by_pid_and_start() -> None:
    mark = process_mark(os.getpid())
    assert marked_process({"pid": mark["pid"], "started": mark["started"]}) is not None
    assert marked_process({}) is None


def test_no_process_of_another_machine_is_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        mark = process_mark(process.pid)
        end_process({**mark, "host": "other", "boot": "another"}, 5.0)
        assert process.poll() is None
        end_process(mark, 60.0)
        assert process.poll() is not None
