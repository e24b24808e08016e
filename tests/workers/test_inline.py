"""`circuits run`: a job done in this process, whoever had it before."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph_schema.documents.jobs import JobState
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.workers.tiny import make_tiny, worker_settings
from workers.client import CircuitClient
from workers.inline import run_here
from workers.specs import DiscoverRequest, build_submission

pytestmark = pytest.mark.timeout(120)


def test_a_job_whose_process_died_is_taken_over(embedded_store: GraphStore, tmp_path: Path) -> None:
    tiny = make_tiny(tmp_path / "model", n_pairs=16)
    (tmp_path / "pairs.jsonl").write_bytes(tiny.jsonl)
    request = DiscoverRequest(
        model=str(tiny.folder), dataset=tmp_path / "pairs.jsonl", method="eap", n_edges=20
    )
    settings = worker_settings(tmp_path / "home", embedded_store.address)
    with CircuitClient(settings=settings) as client:
        asked = build_submission(request, settings.limits, settings.cache_dir)
        waiting = client.service.submit(asked, force=False, send=False)
        dead = jobs.claim(
            embedded_store, waiting.job_id, "dead", owner="dead", lease=3.0, max_attempts=3
        )
        assert dead is not None
        job = run_here(client, request)
        assert job.job_id == waiting.job_id
        assert (job.state, job.record.attempts) == (JobState.SUCCEEDED, 2)
        assert run_here(client, request).record == job.record  # done before: nothing to do
