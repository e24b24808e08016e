"""When a rung comes and stays; a curve thinned; how it is drawn."""

from __future__ import annotations

import pytest

from graph_schema.comparing.along_training import loss_at, since, thinned
from graph_schema.documents.rungs import Rung, RungFinding, RungState
from graph_schema.documents.training import CheckpointFinding
from graph_schema.reports.svg_training import LEFT, RIGHT, WIDTH, step_axis
from graph_schema.reports.training import since_line, sparkline

BY_LETTER = {state.value[0]: state for state in RungState}


def checkpoint(step: int, wiring: str) -> CheckpointFinding:
    return CheckpointFinding(
        step=step,
        model="m",
        revision=None,
        fingerprint=f"{step:040x}",
        loss=None,
        trained_accuracy=None,
        rungs=(RungFinding(rung=Rung.WIRING, state=BY_LETTER[wiring]),),
        behaviour=None,
        members=(),
        super_edges=(),
        transduction=None,
        jobs={},
        failures={},
    )


@pytest.mark.parametrize(
    ("states", "step", "after"),
    [
        ("uuapp", 3, 2),
        ("uupip", 4, 3),  # it came, and was not settled once more: it stays from the last on
        ("ppp", 0, None),
        ("ppa", None, 2),
        ("uuu", None, 2),
    ],
)
def test_a_rung_is_there_from_where_it_stays(
    states: str, step: int | None, after: int | None
) -> None:
    found = since([checkpoint(at, letter) for at, letter in enumerate(states)], Rung.WIRING)
    assert (found.step, found.after) == (step, after)
    assert ("not present at the last step" in since_line(found)) is (step is None)


def test_a_long_curve_is_thinned_by_means_and_keeps_its_end() -> None:
    curve = [(step, float(step)) for step in range(1, 1001)]
    thin = thinned(curve, most=100)
    assert len(thin) == 100
    assert thin[0] == (10, 5.5)
    assert thin[-1][0] == 1000
    assert thinned(curve[:7]) == tuple(curve[:7])
    assert thinned([]) == ()
    assert loss_at(curve, 20) == pytest.approx(15.5)
    assert loss_at(curve, 0) is None
    assert loss_at([], 5) is None


def test_a_sparkline_has_a_block_a_value_and_a_gap_where_there_is_none() -> None:
    assert sparkline([None, 0.0, 0.5, 1.0], "abc") == " abc"
    assert sparkline([None, None]) == "  "
    assert sparkline([2.0, 2.0], "abc") == "cc"


def test_steps_chosen_by_doubling_are_spaced_evenly() -> None:
    even = step_axis([0, 100, 200, 300])
    assert even(100) - even(0) == pytest.approx(even(300) - even(200))
    doubling = step_axis([0, 1, 3, 7, 15, 31, 63, 127])
    assert doubling(1) - doubling(0) == pytest.approx(doubling(127) - doubling(63))
    assert (doubling(0), doubling(127)) == (LEFT, WIDTH - RIGHT)
