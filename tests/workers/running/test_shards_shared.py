"""Two workers share the shards of a job, and one of them is killed over its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from graph_schema.artifacts import ArtifactStore
from graph_schema.circuit_arrays import stored_scores
from graph_schema.documents.jobs import JobState
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit
from tests.workers.held import held
from tests.workers.tiny import ended, make_tiny, until, worker, worker_settings, working
from workers.client import CircuitClient
from workers.requests.discover import DiscoverRequest
from workers.running.inline import run_here

pytestmark = pytest.mark.slow


def test_two_workers_do_the_shards_and_a_third_the_rest_of_one_that_is_killed(
    embedded_store: GraphStore, tmp_path: Path
) -> None:
    tiny = make_tiny(tmp_path / "model", n_pairs=40)
    settings = worker_settings(tmp_path / "home", embedded_store.address)
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_bytes(tiny.jsonl)
    request = DiscoverRequest(model=str(tiny.folder), dataset=pairs, method="exact", n_edges=20)
    with CircuitClient(settings=settings) as client:
        with held(settings.home), worker(settings), worker(settings) as other:
            job = client.submit_request(replace(request, shards=3))
            shards = [need.job_id for need in job.record.needs]
            at_work = [JobState.RUNNING, JobState.RUNNING, JobState.QUEUED]
            until(lambda: sorted(_states(embedded_store, shards)) == sorted(at_work))
            owners = {each.owner for each in jobs.get_all(embedded_store, shards) if each.owner}
            assert len(owners) == 2
            for each in jobs.get_all(embedded_store, shards):
                if each.owner:
                    working(embedded_store, each.job_id)
            children = psutil.Process(other.pid).children()
            other.kill()
            other.wait()
            psutil.wait_procs(children, timeout=120)
            until(lambda: JobState.RUNNING in _states(embedded_store, shards))
        with worker(settings):
            record = ended(embedded_store, job.job_id)
            assert record.state is JobState.SUCCEEDED, record.error
        attempts = [each.attempts for each in jobs.get_all(embedded_store, shards)]
        assert set(_states(embedded_store, shards)) == {JobState.SUCCEEDED}
        assert max(attempts) == 2, "the one whose worker was killed"
        scores = _scores(embedded_store, settings.artifacts_url, record.circuit_ids[0])
        client.delete(job.job_id)
        (whole,) = run_here(client, request).record.circuit_ids
    assert record.circuit_ids == (whole,)
    expected = _scores(embedded_store, settings.artifacts_url, whole)
    largest = max(map(abs, expected.values()))
    assert scores == pytest.approx(expected, abs=1e-5 * largest, rel=0)


def _states(store: GraphStore, ids: list[str]) -> list[JobState]:
    return [each.state for each in jobs.get_all(store, ids)]


def _scores(store: GraphStore, artifacts: str, circuit: str) -> dict[str, float]:
    return stored_scores(read_circuit(store, circuit), ArtifactStore(artifacts))
