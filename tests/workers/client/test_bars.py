"""What is seen of long work: a bar a stage on a terminal, nothing in a file."""

from __future__ import annotations

import pytest

from workers.client.bars import Bars


class Clock:
    """Time that passes when the test says so; only for who looks at it here."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def work() -> None:
    with Bars("job 3f2a") as bars:
        for done in range(0, 300, 100):
            bars("scores", done, 900)
        bars("evaluation", 1, 2)


def test_each_stage_has_its_bar_its_pace_and_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    work()
    seen = capsys.readouterr()
    assert seen.out == ""
    frames = [line.split() for line in seen.err.splitlines() if " eta " in line]
    scores, evaluation = frames[-2:]
    assert {"3f2a:", "scores", "900/900", "eta", "0:00:00"} <= set(scores)
    assert {"evaluation", "1/2", "-:--:--"} <= set(evaluation)


def test_a_file_sees_nothing_of_what_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    work()
    assert capsys.readouterr().err == ""


def test_a_file_gets_a_line_a_minute_with_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("workers.client.bars.time", clock)
    with Bars("job 3f2a") as bars:
        bars("queued", 0, 0)
        for minute in range(4):
            clock.now = 60.0 * minute + 59
            bars("scores", 100 * minute, 900)
            clock.now += 1
            bars("scores", 100 * minute + 1, 900, "layer\x1b[2J 3")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[-1] == "job 3f2a: scores (layer\ufffd[2J 3) 301/900, about 6 min left"
    with Bars("job 3f2a", show=False) as bars:
        clock.now += 600
        bars("scores", 1, 900)
    assert capsys.readouterr().err == ""
