"""What is committed is on the disk, and what is on the disk alone is a graph that can be used."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from graph_schema.documents.jobs import JobState
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.servers.embedded import start_embedded
from graph_schema.store.servers.on_disk import LIST, Flushed
from tests.factories import make_circuit
from tests.faults.power import Disk, make_disk
from tests.graph_schema.store.test_jobs import PLACEMENT, a_spec, claim
from workers.local import service as local
from workers.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.needs_compiler]


@contextmanager
def preloaded(disk: Disk) -> Generator[None]:
    """Processes that are started now write to this disk."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in disk.environment.items():
            patch.setenv(name, value)
        yield


def do_a_job(store: GraphStore) -> tuple[str, str]:
    """A job's life, without its work: the ids of the job and of its circuit."""
    spec, circuit = a_spec(), make_circuit(job="before the power cut")
    jobs.submit(store, spec, PLACEMENT)
    assert claim(store, spec.job_id, "token")
    ids = (circuit.circuit_id,)
    jobs.finish(store, spec.job_id, "token", lambda tx: write_circuit(tx, circuit), ids)
    return spec.job_id, circuit.circuit_id


def test_a_job_of_a_new_local_service_survives_a_power_cut(tmp_path: Path) -> None:
    """Though nothing of it was written but what was flushed, right after the answer."""
    settings = Settings(home=tmp_path / "home")
    disk = make_disk(tmp_path, settings.home / "store")
    with preloaded(disk):
        service = local.ensure_local(settings, worker=False)
    found = local.status(settings)
    assert found.supervisor_pid is not None
    assert found.database_pid is not None
    os.kill(found.supervisor_pid, signal.SIGSTOP)  # or it flushes what it did not before
    with GraphStore(service.address) as store:
        job_id, circuit_id = do_a_job(store)
        both = [psutil.Process(pid) for pid in (found.database_pid, found.supervisor_pid)]
        for each in both:
            each.kill()
    psutil.wait_procs(both, timeout=60)

    server = start_embedded(disk.kept, heap_megabytes=512)
    try:
        with GraphStore(server.address) as store:
            record = jobs.get(store, job_id)
            assert (record.state, record.circuit_ids) == (JobState.SUCCEEDED, (circuit_id,))
            assert read_circuit(store, circuit_id) == make_circuit(job="before the power cut")
    finally:
        server.stop(1.0)


def test_without_flushing_a_job_does_not(tmp_path: Path) -> None:
    """The disk of these tests forgets what it is to forget."""
    disk = make_disk(tmp_path, tmp_path / "live")
    with preloaded(disk):
        server = start_embedded(disk.live, heap_megabytes=512, flush=False)
    try:
        with GraphStore(server.address) as store:
            store.migrate()
            shutil.copytree(disk.live, disk.kept, dirs_exist_ok=True)  # half a minute later
            job_id, _ = do_a_job(store)
    finally:
        server.process.kill()
        server.stop()
    assert not disk.holds(job_id)


def test_the_folder_is_flushed_when_the_list_of_its_files_changes(tmp_path: Path) -> None:
    flushed = Flushed(tmp_path)
    assert not flushed.look(), "there is no database yet"
    listed = tmp_path / "databases" / "neo4j" / LIST
    listed.parent.mkdir(parents=True)
    listed.write_text("{}")
    assert flushed.look()
    assert not flushed.look()
    os.utime(listed, ns=(1, 1))
    assert flushed.look()
