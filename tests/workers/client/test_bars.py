"""What is seen of long work: a bar a stage on a terminal, nothing in a file."""

from __future__ import annotations

import pytest

from workers.client.bars import Bars


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


def test_a_file_sees_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    work()
    assert capsys.readouterr().err == ""
