"""What pages made last is made once, for as long as it may be kept."""

from __future__ import annotations

from itertools import count

from workers.web.remembered import Remembered


def test_it_is_made_once_and_anew_when_its_time_is_over() -> None:
    now, made = [0.0], count()
    kept = Remembered[int](kept=2, seconds=60, clock=lambda: now[0])
    assert [kept.get("a", lambda: next(made)) for _ in range(2)] == [0, 0]
    now[0] = 59.0
    assert kept.get("a", lambda: next(made)) == 0
    now[0] = 61.0
    assert kept.get("a", lambda: next(made)) == 1


def test_the_one_asked_for_longest_ago_goes() -> None:
    made = count()
    kept = Remembered[int](kept=2)
    for key in ("a", "b", "a", "c", "a"):
        kept.get(key, lambda: next(made))
    assert kept.get("a", lambda: next(made)) == 0
    assert kept.get("b", lambda: next(made)) == 3
