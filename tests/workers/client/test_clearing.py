"""`gc` removes what nothing refers to, and nothing else, whoever works meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph_schema.artifacts import ArtifactStore
from graph_schema.documents import ArtifactRef
from graph_schema.documents.jobs import ErrorDocument, JobProgress, Need
from graph_schema.errors import NotFoundError
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.identity import graph_id
from graph_schema.store.records import circuit_drafts
from graph_schema.store.records.circuit_drafts import parts_of
from graph_schema.store.records.circuit_edges import stored_nodes
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.evaluations import write_evaluation
from tests.factories import made_edges, make_circuit, make_circuit_evaluation, make_model, make_run
from tests.graph_schema.store.test_jobs import PLACEMENT, a_spec, claim, nothing, queued
from workers.client import clearing
from workers.client.clearing import DAY, clear
from workers.client.service import Service
from workers.settings import Settings

UNUSED: dict[str, Any] = {"graph": "bolt://unused"}
FAILED = ErrorDocument(type="JobFailed", message="made")
SET_BACK = """
MATCH (j:Job {job_id: $job_id}) SET j.finished_at = j.finished_at - $ms RETURN j.job_id AS id
"""


@pytest.fixture
def make(store: GraphStore, tmp_path: Path) -> Callable[..., Service]:
    def made(**given: Any) -> Service:
        places: dict[str, Any] = UNUSED | {"artifacts": str(tmp_path / "artifacts")} | given
        return Service(Settings(home=tmp_path, **places), store.address, store)

    return made


def saved(artifacts: ArtifactStore, number: int) -> ArtifactRef:
    return artifacts.save_by_content("scores", {"scores": np.full(9, float(number))})


def checkpoint(artifacts: ArtifactStore, job_id: str) -> str:
    key = f"checkpoints/{job_id}/acdc.safetensors"
    artifacts.save(key, {"scores": np.zeros(3)})
    return key


def age(service: Service, *keys: str, days: float = 2.0) -> None:
    then = time.time() - days * DAY
    for key in keys:
        os.utime(Path(service.settings.artifacts_url) / key, (then, then))


def failed(store: GraphStore, days: float = 0.0, needs: tuple[Need, ...] = ()) -> str:
    job_id = queued(store, needs)
    assert claim(store, job_id, "t")
    jobs.fail(store, job_id, "t", FAILED)
    store.write(lambda tx: tx.run(SET_BACK, job_id=job_id, ms=round(days * DAY * 1000)).consume())
    return job_id


def is_there(store: GraphStore, job_id: str) -> bool:
    try:
        jobs.get(store, job_id)
    except NotFoundError:
        return False
    return True


def test_only_old_files_go_that_nothing_refers_to(
    make: Callable[..., Service], store: GraphStore
) -> None:
    service = make()
    artifacts = service.artifacts
    of_circuit, of_evaluation, nobodys, young = (saved(artifacts, n) for n in range(4))
    circuit = make_circuit(artifacts={"scores": of_circuit})
    judged = make_circuit_evaluation(circuit, artifacts={"pairs": of_evaluation})
    store.write(lambda tx: write_circuit(tx, circuit))
    store.write(lambda tx: write_evaluation(tx, judged))
    running = queued(store)
    assert claim(store, running, "t")
    of_live, of_failed, of_none = (
        checkpoint(artifacts, each) for each in (running, failed(store), "e" * 64)
    )
    others = ("notes.txt", "scores/mine.safetensors", f"checkpoints/{'x' * 64}/a.safetensors")
    for key in others:
        artifacts.save_bytes(key, b"not ours")
    kept = (of_circuit.key, of_evaluation.key, of_live, *others)
    age(service, *kept, nobodys.key, of_failed, of_none)

    told = clear(service, dry_run=True)
    assert told.dry_run
    assert told.artifacts.names == (nobodys.key,)
    assert set(told.checkpoints.names) == {of_failed, of_none}
    assert artifacts.exists(nobodys.key)
    root = Path(service.settings.artifacts_url)
    sizes = [(root / key).stat().st_size for key in (nobodys.key, of_failed, of_none)]
    done = clear(service, dry_run=False)
    assert (done.artifacts, done.checkpoints) == (told.artifacts, told.checkpoints)
    assert done.bytes == told.bytes == sum(sizes)
    mark = f"graphs/{graph_id(store)}"
    assert [file.key for file in artifacts.files()] == sorted((*kept, young.key, mark))
    assert clear(service, dry_run=False).bytes == 0


def test_a_file_that_is_written_anew_while_it_is_judged_stays(
    make: Callable[..., Service], store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a job that has just found the same numbers, and refers to them when it ends."""
    service = make()
    ref = saved(service.artifacts, 1)
    age(service, ref.key)
    read = clearing.referred_artifacts

    def work_meanwhile(store: GraphStore) -> set[str]:
        referred = read(store)
        assert saved(service.artifacts, 1) == ref
        return referred

    monkeypatch.setattr(clearing, "referred_artifacts", work_meanwhile)
    assert clear(service, dry_run=False).artifacts.names == ()
    assert service.artifacts.exists(ref.key)


def test_what_is_referred_to_after_the_listing_stays(
    make: Callable[..., Service], store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a job whose database was away for longer than files are kept."""
    service = make()
    ref = saved(service.artifacts, 1)
    age(service, ref.key)
    files = service.artifacts.files

    def listed() -> Any:
        found = files()
        circuit = make_circuit(artifacts={"scores": ref})
        store.write(lambda tx: write_circuit(tx, circuit))
        return found

    monkeypatch.setattr(service.artifacts, "files", listed)
    clear(service, dry_run=False)
    assert service.artifacts.exists(ref.key)


def test_failed_jobs_stay_unless_a_setting_says_for_how_long(
    make: Callable[..., Service], store: GraphStore
) -> None:
    old, recent = failed(store, days=40), failed(store, days=20)
    succeeded, needed = queued(store), failed(store, days=40)
    assert claim(store, succeeded, "t")
    jobs.finish(store, succeeded, "t", nothing, [])
    proceeds = Need(job_id=needed, on_failure="proceed")
    waiting = jobs.submit(store, a_spec(), PLACEMENT, needs=[proceeds]).record.job_id
    found_before = failed(store, days=40)
    circuit = make_circuit(job_id=found_before)
    store.write(lambda tx: write_circuit(tx, circuit))

    assert clear(make(), dry_run=False).jobs.names == ()
    assert is_there(store, old)
    service = make(keep_failed_days=30)
    assert clear(service, dry_run=True).jobs.names == (old,)
    assert is_there(store, old)
    assert clear(service, dry_run=False).jobs.names == (old,)
    kept = (recent, succeeded, needed, waiting, found_before)
    assert [is_there(store, each) for each in (old, *kept)] == [False, *([True] * 5)]


def test_a_job_that_is_submitted_again_while_it_is_judged_stays(
    make: Callable[..., Service], store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = a_spec()
    jobs.submit(store, spec, PLACEMENT)
    assert claim(store, spec.job_id, "t")
    jobs.fail(store, spec.job_id, "t", FAILED)
    store.write(lambda tx: tx.run(SET_BACK, job_id=spec.job_id, ms=int(40 * DAY * 1000)).consume())
    resting_on = clearing.resting_on

    def again(store: GraphStore, ids: Any) -> Any:
        jobs.submit(store, spec, PLACEMENT, force=True)
        return resting_on(store, ids)

    monkeypatch.setattr(clearing, "resting_on", again)
    told = clear(make(keep_failed_days=30), dry_run=False)
    assert told.jobs.names == ()
    assert told.failed == ()
    assert is_there(store, spec.job_id)


def test_circuits_that_nobody_goes_on_storing_are_removed(
    make: Callable[..., Service], store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_drafts, "MOST_EDGES", 20)
    model = make_model("made/wide", n_layers=4, n_heads=8)
    left: list[str] = []
    for number, job_id in enumerate((queued(store), queued(store))):
        assert claim(store, job_id, "t")
        circuit = make_circuit(
            made_edges(50, n_layers=4, n_heads=8), model=model, job=f"job {number}"
        )
        left.append(circuit.circuit_id)
        for part in parts_of([circuit], make_run())[:2]:
            step = JobProgress(stage="storing", done=0, total=1)
            jobs.write_part(
                store, job_id, "t", part.write, draft=part.circuit_id, lease=60, progress=step
            )
        if number == 0:
            jobs.fail(store, job_id, "t", FAILED)
    assert clear(make(), dry_run=True).drafts.names == (left[0],)
    assert stored_nodes(store, left[0])
    assert clear(make(), dry_run=False).drafts.names == (left[0],)
    assert stored_nodes(store, left[0]) == ()
    assert stored_nodes(store, left[1]), "its job goes on"


def test_old_logs_of_the_local_service_go(
    make: Callable[..., Service], store: GraphStore, tmp_path: Path
) -> None:
    service = make(graph=None, artifacts=None)
    folder = service.settings.log_dir
    folder.mkdir(parents=True)
    names = ("worker.log", "worker.log.1", "supervisor.log.1", "mine.txt")
    for name in names:
        (folder / name).write_text("line\n")
        age_of = time.time() - (2 if name != "supervisor.log.1" else 0) * DAY
        os.utime(folder / name, (age_of, age_of))
    told = clear(service, dry_run=False)
    assert (told.logs.names, told.logs.bytes) == (("worker.log.1",), 5)
    assert {path.name for path in folder.iterdir()} == set(names) - {"worker.log.1"}


def test_what_a_worker_of_an_earlier_release_still_writes_is_read_and_referred_to(
    make: Callable[..., Service], store: GraphStore
) -> None:
    """It leaves the document on the Circuit node."""
    service = make()
    ref = saved(service.artifacts, 2)
    age(service, ref.key)
    circuit = make_circuit().model_copy(update={"artifacts": {"scores": ref}})
    store.write(lambda tx: write_circuit(tx, circuit))
    back = """
    MATCH (c:Circuit)-[:HAS_DOCUMENT]->(d) SET c.document = d.document DETACH DELETE d
    """
    store.write(lambda tx: tx.run(back).consume())
    assert clear(service, dry_run=False).artifacts.names == ()
    assert service.artifacts.load(ref)
    assert read_circuit(store, circuit.circuit_id) == circuit
