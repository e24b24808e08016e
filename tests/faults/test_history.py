"""The checker of histories sees one job lost, one completed twice, one torn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.history import Event, Facts, Happened, History, StoredCircuit, Verdict, check
from tests.faults.telling import tell

JOBS = ("a", "b", "c")
GOOD = [Event(what, job_id) for job_id in JOBS for what in Happened]
FACTS = Facts(
    states=dict.fromkeys(JOBS, "succeeded"),
    runs=JOBS,
    circuits=tuple(StoredCircuit(f"circuit of {job_id}", job_id, 9, 9) for job_id in JOBS),
)
ONLY_B = frozenset({"b"})


def without(what: Happened) -> list[Event]:
    return [event for event in GOOD if event != Event(what, "b")]


def test_a_good_history_is_clean() -> None:
    assert check(GOOD, FACTS) == Verdict()
    assert check(GOOD, FACTS).clean


def test_a_worker_that_died_before_its_answer_lost_nothing() -> None:
    assert check(without(Happened.FINISHED), FACTS).clean


def test_a_job_that_nobody_was_told_of_may_be_missing() -> None:
    asked = [*GOOD, Event(Happened.SUBMITTED, "d")]
    assert check(asked, FACTS).clean


@pytest.mark.parametrize("state", ["queued", "running", "failed", "cancelled"])
def test_an_acknowledged_job_that_did_not_succeed_is_lost(state: str) -> None:
    facts = replace(FACTS, states=FACTS.states | {"b": state})
    assert check(without(Happened.FINISHED), facts) == Verdict(lost=ONLY_B)


def test_an_acknowledged_job_that_is_not_there_is_lost() -> None:
    states = {job_id: state for job_id, state in FACTS.states.items() if job_id != "b"}
    assert check(without(Happened.FINISHED), replace(FACTS, states=states)) == Verdict(lost=ONLY_B)


def test_a_result_that_a_worker_was_told_of_and_is_not_there_is_lost() -> None:
    runs = replace(FACTS, runs=("a", "c"))
    circuits = replace(FACTS, circuits=(FACTS.circuits[0], FACTS.circuits[2]))
    for facts in (runs, circuits):
        assert check(GOOD, facts) == Verdict(lost=ONLY_B)


def test_a_job_that_two_workers_finished_is_completed_twice() -> None:
    assert check([*GOOD, Event(Happened.FINISHED, "b")], FACTS) == Verdict(twice=ONLY_B)


def test_a_job_with_two_results_is_completed_twice() -> None:
    another = StoredCircuit("another", "b", 9, 9)
    for facts in (
        replace(FACTS, runs=(*JOBS, "b")),
        replace(FACTS, circuits=(*FACTS.circuits, another)),
    ):
        assert check(GOOD, facts) == Verdict(twice=ONLY_B)


@pytest.mark.parametrize("stored", [0, 8, 10])
def test_a_circuit_whose_edges_are_not_as_many_as_it_says_is_torn(stored: int) -> None:
    torn = replace(FACTS.circuits[1], n_stored=stored)
    facts = replace(FACTS, circuits=(FACTS.circuits[0], torn, FACTS.circuits[2]))
    assert check(GOOD, facts) == Verdict(torn=ONLY_B)


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    for event in GOOD:
        history.add(event.what, event.job_id)
    assert history.events() == GOOD


def test_what_is_known_of_a_job_that_went_wrong_is_told(tmp_path: Path) -> None:
    job_id = f"b{'0' * 63}"
    line = f"2026-01-01 12:00:00,000 WARNING 7 workers.running [{job_id[:12]}]: disk full\n"
    (tmp_path / "worker.log").write_text(f"{line}{line.replace('[b', '[c')}")
    facts = replace(
        FACTS,
        states=FACTS.states | {job_id: "failed"},
        errors={job_id: "StoreError: refused"},
        circuits=(*FACTS.circuits, StoredCircuit("another", job_id, 9, 8)),
    )
    events = [*GOOD, Event(Happened.ACKNOWLEDGED, job_id), Event(Happened.STARTED, job_id)]
    told = tell(check(events, facts), events, facts, [tmp_path])
    assert "lost, torn" in told
    assert told.count("disk full") == 1
    for piece in ("failed", "StoreError: refused", "acknowledged, started", "runs: 0", "8 of 9"):
        assert piece in told
    assert tell(check(GOOD, FACTS), GOOD, FACTS) == ""
    unended = replace(FACTS, states=FACTS.states | {"d": "queued"})
    assert "job d: not ended" in tell(check(GOOD, unended), GOOD, unended)
