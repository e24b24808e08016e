"""A job that waits for others shows how far those are."""

from __future__ import annotations

import pytest

from graph_schema.documents.jobs import JobProgress
from graph_schema.store import jobs
from tests.workers.client.test_job import claimed
from tests.workers.world import World
from workers.client import CircuitClient
from workers.client.bars import Bars


def test_a_bar_counts_the_jobs_before_it_and_names_the_one_that_runs(
    client: CircuitClient,
    world: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    job = client.universality(
        "induction", [str(world.model)], dataset=world.pairs, stress="none", metric="logit_diff"
    )
    first, *_ = job.record.needs
    before = client.job(first.job_id)
    token = claimed(client, before)
    step = JobProgress(stage="scores", done=3, total=9)
    jobs.renew(client.service.store, before.job_id, token, lease=3600.0, progress=step)
    with pytest.raises(TimeoutError):
        job.wait(timeout=0.5)
    seen = capsys.readouterr().err
    assert f"{before.record.kind} of {world.model.name}: scores 3/9" in seen
    assert "0/3" in seen


def test_a_note_stands_behind_the_stage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with Bars("training") as bars:
        assert bars.watched
        bars("all steps", 5, 9, "gpt2/0 3/6")
    assert "all steps (gpt2/0 3/6)" in capsys.readouterr().err
