"""A job's work in one process: checks in order, one model kept, files named by their content."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph_schema.documents import DatasetData
from graph_schema.documents.jobs import DiscoverSpec, JobRecord, JobState
from graph_schema.store import jobs
from graph_schema.store.artifacts import ArtifactStore
from graph_schema.store.circuits import read_circuit
from graph_schema.store.connection import GraphStore
from tests.workers.tiny import Tiny, make_tiny, worker_settings
from workers.lease import Lease
from workers.lifecycle import Performer
from workers.pipeline import Checkpoints, ModelCache, Result, run_job
from workers.settings import Settings


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return make_tiny(tmp_path_factory.mktemp("tiny"), n_layers=1, n_pairs=16)


class Process:
    """What a worker's child keeps, in this process."""

    def __init__(self, store: GraphStore, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.models = ModelCache()
        self.artifacts = ArtifactStore(settings.artifacts_url)
        self.performer = Performer(settings, store.address, "here", list)
        self.results: list[Result] = []
        self.stages: list[str] = []

    def work(self, record: JobRecord, run_id: str, lease: Lease) -> Result:
        result = run_job(
            record,
            run_id,
            lease,
            settings=self.settings,
            store=self.store,
            artifacts=self.artifacts,
            models=self.models,
        )
        self.results.append(result)
        return result

    def do(self, spec: DiscoverSpec, tiny: Tiny, **submission: Any) -> JobRecord:
        jobs.submit(self.store, spec, tiny.placement, **submission)
        assert self.performer.perform(
            spec.job_id, self.work, lambda stage, *_: self.stages.append(stage)
        )
        return jobs.get(self.store, spec.job_id)


@pytest.fixture
def make(embedded_store: GraphStore, tmp_path: Path) -> Generator[Callable[..., Process]]:
    made: list[Process] = []

    def with_settings(**changes: Any) -> Process:
        settings = worker_settings(tmp_path, embedded_store.address)
        process = Process(embedded_store, settings.model_copy(update=changes))
        made.append(process)
        return process

    yield with_settings
    for process in made:
        process.performer.close()


def test_a_circuit_is_stored_with_its_data_its_scores_and_its_run(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    process = make()
    record = process.do(tiny.spec(process.store), tiny)
    assert (record.state, record.error) == (JobState.SUCCEEDED, None)
    (circuit_id,) = record.circuit_ids
    circuit = read_circuit(process.store, circuit_id)
    assert circuit.n_edges <= 20
    scores = process.artifacts.load(circuit.artifacts["scores"])
    assert len(scores["names"]) == circuit.n_edges_scored
    (run,) = process.store.rows(
        "MATCH (r:Run)-[:PRODUCED]->(:Circuit)-[:DISCOVERED_ON]->(d:Dataset) "
        "RETURN r.attempt AS attempt, d.sha256 AS sha256"
    )
    assert run == {"attempt": 1, "sha256": circuit.dataset_sha256}
    assert list(dict.fromkeys(process.stages)) == [
        "data",
        "model",
        "baseline",
        "scores",
        "evaluation",
        "storing",
    ]


def test_a_forced_attempt_gives_the_same_circuit_and_the_same_files(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    process = make()
    spec = tiny.spec(process.store)
    first = process.do(spec, tiny)
    again = process.do(spec, tiny, force=True)
    assert again.circuit_ids == first.circuit_ids
    one, two = process.results
    assert one.circuits == two.circuits
    assert process.store.rows("MATCH (c:Circuit) RETURN count(c) AS n") == [{"n": 1}]
    assert process.store.rows("MATCH (r:Run) RETURN count(r) AS n") == [{"n": 2}]


def test_the_model_stays_loaded_for_the_next_job(make: Callable[..., Process], tiny: Tiny) -> None:
    process = make()
    process.do(tiny.spec(process.store, seed=1), tiny)
    kept = process.models._model
    process.do(tiny.spec(process.store, seed=2), tiny)
    assert kept is not None
    assert process.models._model is kept


def test_data_are_checked_before_weights_are_read(make: Callable[..., Process], tiny: Tiny) -> None:
    process = make()
    jsonl = tiny.jsonl
    for prompt in (b'"clean": [', b'"corrupt": ['):
        jsonl = jsonl.replace(prompt, prompt + b"4711, ", 1)
    bad = Tiny(tiny.folder, jsonl)
    record = process.do(bad.spec(process.store), bad)
    assert record.error is not None
    assert record.error.type == "DatasetError"
    assert "line 1" in record.error.message
    assert "4711" in record.error.message
    assert process.models._model is None


def test_another_model_under_the_same_path_is_refused(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    process = make()
    spec = tiny.spec(process.store)
    other = spec.model_copy(
        update={"model": spec.model.model_copy(update={"fingerprint": "ab" * 32})}
    )
    record = process.do(other, tiny)
    assert record.error is not None
    assert record.error.type == "ModelError"
    assert "fingerprint" in record.error.message


def test_a_model_outside_the_roots_is_refused(
    make: Callable[..., Process], tiny: Tiny, tmp_path: Path
) -> None:
    process = make(model_roots=(tmp_path / "models",))
    record = process.do(tiny.spec(process.store), tiny)
    assert record.error is not None
    assert str(tmp_path / "models") in record.error.message


def test_a_dataset_that_is_not_stored_is_said_so(make: Callable[..., Process], tiny: Tiny) -> None:
    process = make()
    spec = tiny.spec(process.store)
    record = process.do(
        spec.model_copy(update={"data": DatasetData(sha256="0" * 64, task="made")}), tiny
    )
    assert record.error is not None
    assert record.error.type == "NotFoundError"


def test_a_checkpoint_is_the_lease_holders_and_comes_back_as_it_was(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    process = make()
    spec = tiny.spec(process.store, seed=8)
    jobs.submit(process.store, spec, tiny.placement)
    seen: list[object] = []

    def work(record: JobRecord, run_id: str, lease: Lease) -> Result:
        checkpoints = Checkpoints(process.artifacts, lease)
        seen.append(checkpoints.load("exact"))
        checkpoints.save("exact", {"done": np.arange(3)})
        again = Checkpoints(process.artifacts, lease).load("exact")
        assert again is not None
        seen.append(again["done"].tolist())
        jobs.release_owner(process.store, "here", max_attempts=9)
        checkpoints.save("exact", {"done": np.arange(4)})
        raise AssertionError("saved without the lease")

    assert process.performer.perform(spec.job_id, work)
    assert seen == [None, [0, 1, 2]]
    assert jobs.get(process.store, spec.job_id).state is JobState.QUEUED


def test_a_kept_model_is_held_to_what_lies_there_now(
    make: Callable[..., Process], tiny: Tiny, tmp_path: Path
) -> None:
    """Else a tokenizer edited between two jobs would tokenise the second one's data."""
    moved = replace(tiny, folder=Path(shutil.copytree(tiny.folder, tmp_path / "model")))
    process = make()
    first = moved.spec(process.store)
    second = moved.spec(process.store, seed=1)
    assert process.do(first, moved).state is JobState.SUCCEEDED
    (moved.folder / "tokenizer_config.json").write_text("{}")
    record = process.do(second, moved)
    assert record.error is not None
    assert record.error.type == "ModelError"
    assert "another model lies there now" in record.error.message
