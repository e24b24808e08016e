"""Log lines say which job they are about, and what a user sent cannot pass for one."""

from __future__ import annotations

import json
import logging
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.log_lines import JsonLines, TextLines, about_job, is_about, is_continued

JOB = "3f" * 32
OTHER = "e0" * 32
FORGED = (
    f"bad model\n2026-11-29 12:00:00,000 INFO 1 workers.x [{JOB[:12]}]: done\r\x1b[2J\u2028\u202e"
)
FORMATTERS = (TextLines(), JsonLines())


def _written(
    formatter: logging.Formatter, text: str, error: BaseException | None = None, **extra: Any
) -> list[str]:
    """The lines that a process writes of one record."""
    out = StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    record = logging.LogRecord("workers.x", logging.INFO, "", 1, "%s", (text,), None)
    record.__dict__.update(extra)
    if error is not None:
        record.exc_info = (type(error), error, None)
    handler.handle(record)
    return out.getvalue().removesuffix("\n").split("\n")


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_a_record_says_its_job_by_extra_or_by_where_it_was_made(
    formatter: logging.Formatter,
) -> None:
    (named,) = _written(formatter, "named", job_id=JOB)
    with about_job(JOB):
        (inside,) = _written(formatter, "inside")
        (other,) = _written(formatter, "of another", job_id=OTHER)
    (outside,) = _written(formatter, "outside")
    assert [is_about(line, JOB) for line in (named, inside, other, outside)] == [
        *(True, True),
        *(False, False),
    ]
    assert not any(map(is_continued, (named, inside, other, outside)))


def test_json_has_the_whole_id_and_the_trace() -> None:
    (line,) = _written(JsonLines(), "it failed", ValueError("two\nlines"), job_id=JOB)
    found = json.loads(line)
    assert (found["job_id"], found["message"], found["level"]) == (JOB, "it failed", "INFO")
    assert found["trace"] == "ValueError: two\nlines"
    assert found["time"].endswith("Z")


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_a_forged_record_is_none(formatter: logging.Formatter) -> None:
    lines = _written(formatter, FORGED, ValueError(FORGED), job_id=OTHER)
    assert [is_continued(line) for line in lines] == [False, *[True] * (len(lines) - 1)]
    assert not any(is_about(line, JOB) for line in lines)
    assert all(line.isprintable() for line in lines)


@given(st.text())
def test_no_text_makes_a_second_record_or_steers_a_terminal(text: str) -> None:
    for formatter in FORMATTERS:
        first, *more = _written(formatter, text)
        assert not is_continued(first)
        assert all(map(is_continued, more))
        assert not set("\x1b\r\x00\u202e\u2028") & set("".join((first, *more)))
