"""The lines of one job, out of logs that grow and are put aside."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph_schema.private_files import bound_log
from workers.local.job_log import JobLog

JOB, OTHER = "3f" * 32, "e0" * 32


def _line(job: str | None, text: str) -> str:
    about = f" [{job[:12]}]" if job else ""
    return f"2026-11-29 12:00:00,000 INFO 12 workers.x{about}: {text}\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def test_a_jobs_lines_are_found_with_those_that_go_on_with_them(log: Path) -> None:
    trace = "  Traceback:\n  ValueError: bad\n"
    json = f'{{"message": "as JSON", "job_id": "{JOB}"}}\n'
    log.write_text(
        _line(None, "started")
        + _line(JOB, "failed")
        + trace
        + "Loading weights: 100%\n"
        + _line(OTHER, "failed")
        + trace
        + '{"job_id": torn\n'
        + json
    )
    log.with_name("worker.log.1").write_text(_line(JOB, "began"))
    assert JobLog(log.parent, JOB).new_lines() == [
        *_line(JOB, "began").splitlines(),
        *_line(JOB, "failed").splitlines(),
        *trace.splitlines(),
        *json.splitlines(),
    ]


def test_each_line_is_told_once_and_whole(log: Path) -> None:
    found = JobLog(log.parent, JOB)
    assert found.new_lines() == []
    first, second = _line(JOB, "one"), _line(JOB, "two")
    log.write_text(first + second[:30])
    assert found.new_lines() == [first.rstrip("\n")]
    assert found.new_lines() == []
    with log.open("a") as file:
        file.write(second[30:] + "  goes on\n")
    assert found.new_lines() == [second.rstrip("\n"), "  goes on"]
    with log.open("a") as file:
        file.write("  and on\n" + _line(OTHER, "three"))
    assert found.new_lines() == ["  and on"]


def test_a_log_that_is_emptied_or_replaced_is_read_from_its_start(log: Path) -> None:
    log.write_text(_line(JOB, "long before") * 3)
    found = JobLog(log.parent, JOB)
    assert len(found.new_lines()) == 3
    assert bound_log(log, megabytes=0)
    with log.open("a") as file:
        file.write(_line(JOB, "emptied"))
    assert found.new_lines() == [_line(JOB, "emptied").rstrip("\n")]
    log.replace(log.with_name("worker.log.1"))
    log.write_text(_line(JOB, "replaced") * 2)
    assert found.new_lines() == [_line(JOB, "replaced").rstrip("\n")] * 2
