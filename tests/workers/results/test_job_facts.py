"""How long a job ran, as command line and pages say it."""

from __future__ import annotations

import pytest

from workers.results.job_facts import duration
from workers.web.pages import make_templates


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, ""), (0.2, "0 s"), (59, "59 s"), (75, "1 min"), (3_599, "60 min"), (9_000, "2.5 h")],
)
def test_a_time_is_said_in_the_unit_that_suits_it(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


def test_pages_say_it_likewise() -> None:
    assert make_templates().filters["duration"](75) == duration(75)
