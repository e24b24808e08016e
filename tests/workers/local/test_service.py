"""The local service: one supervisor a home, whatever happens to it."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

import psutil
import pytest

from graph_schema.documents.jobs import JobState
from graph_schema.errors import MissingExtraError, SpecError, StoreUnavailable
from graph_schema.store import dump, jobs
from graph_schema.store.connection import GraphStore
from tests.graph_schema.store.test_jobs import BROKE, PLACEMENT, a_spec, claim, queued
from tests.workers.local.conftest import processes
from tests.workers.tiny import until
from workers.client import CircuitClient
from workers.local import service as local
from workers.local.able import require_worker
from workers.local.ending import Ended, down
from workers.local.files import Phase, ServiceFiles, locked
from workers.local.goes_by import goes_by
from workers.settings import Settings

pytestmark = pytest.mark.slow

JOIN = """
import sys
from pathlib import Path
from threading import Event
from workers.local.service import ensure_local
from workers.settings import Settings
settings = Settings(home=Path(sys.argv[1]), idle_seconds=600)
print(ensure_local(settings, worker=False).address.uri)
"""


def _commands(settings: Settings) -> list[str]:
    """What the processes of the home were called with."""
    found: list[str] = []
    for process in processes(settings):
        with suppress(psutil.Error):  # it has ended since
            found.append(" ".join(process.cmdline()))
    return found


def _open_to_others(home: Path) -> list[Path]:
    found: list[Path] = []
    for path in [home, *home.rglob("*")]:
        with suppress(FileNotFoundError):  # the database has put it away since
            if not path.is_socket() and path.stat().st_mode & 0o077:
                found.append(path)
    return found


def _rows(service: local.LocalService) -> list[dict[str, object]]:
    with GraphStore(service.address) as store:
        return store.rows("MATCH (t:Task) RETURN t.name AS name")


def _write(service: local.LocalService) -> None:
    with GraphStore(service.address) as store:
        store.write(lambda tx: tx.run("CREATE (:Task {task_id: 'a', name: 'kept'})").consume())


def test_a_home_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "home", Path("/proc/home")):
        with pytest.raises(SpecError, match=rf"'{home}' cannot be used.*CIRCUITS_HOME"):
            local.status(Settings(home=home))


def test_it_starts_once_is_joined_and_ends(settings: Settings) -> None:
    assert not local.status(settings).running
    assert down(settings) is Ended.NOTHING
    first = local.ensure_local(settings, worker=False)
    state = ServiceFiles(settings).read()
    assert state is not None
    assert state.goes_by == goes_by(settings)
    found = local.status(settings)
    assert local.ensure_local(settings, worker=False) == first
    assert local.status(settings) == found, "it was joined, and nothing started again"

    assert found.running
    assert found.phase is Phase.READY
    assert found.uri == first.address.uri
    assert found.database_pid is not None
    assert found.worker_pid is None

    assert first.address.password not in " ".join(_commands(settings))
    assert first.address.uri.startswith("bolt://127.0.0.1:")
    assert _open_to_others(settings.home) == []

    _write(first)
    assert down(settings) is Ended.STOPPED
    assert not local.status(settings).running
    assert processes(settings) == []
    assert _rows(local.ensure_local(settings, worker=False)) == [{"name": "kept"}]


def test_four_starting_at_once_end_with_one_supervisor(settings: Settings) -> None:
    command = [sys.executable, "-c", JOIN, str(settings.home)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    addresses = {process.communicate(timeout=500)[0].strip() for process in started}
    assert all(process.returncode == 0 for process in started)
    assert len(addresses) == 1
    names = _commands(settings)
    assert len([name for name in names if "workers.local.supervisor" in name]) == 1
    assert len([name for name in names if "java.args" in name]) == 1


def test_a_killed_supervisor_leaves_no_orphan_and_is_replaced(settings: Settings) -> None:
    service = local.ensure_local(settings, worker=False)
    _write(service)
    found = local.status(settings)
    assert found.supervisor_pid is not None
    os.kill(found.supervisor_pid, signal.SIGKILL)
    until(lambda: not local.status(settings).running)
    again = local.ensure_local(settings, worker=False)
    assert again.address == service.address
    assert _rows(again) == [{"name": "kept"}]
    assert found.database_pid is not None
    assert found.database_pid not in [process.pid for process in processes(settings)]


def test_a_killed_database_is_started_again_at_its_address(settings: Settings) -> None:
    service = local.ensure_local(settings, worker=False)
    _write(service)
    found = local.status(settings)
    assert found.database_pid is not None
    os.kill(found.database_pid, signal.SIGKILL)
    until(lambda: local.status(settings).database_pid not in (None, found.database_pid))
    assert local.ensure_local(settings, worker=False).address == service.address
    assert _rows(service) == [{"name": "kept"}]
    assert local.status(settings).supervisor_pid == found.supervisor_pid


def test_a_restore_that_was_killed_begins_anew_after_the_service_ended(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "all.zip"
    service = local.ensure_local(settings, worker=False)
    _write(service)
    with CircuitClient(settings=settings, worker=False) as client:
        client.backup(file)
    with GraphStore(service.address) as store:
        dump.begin(store, "process 1 of here", force=True)
    database = local.status(settings).database_pid
    assert database is not None
    os.kill(database, signal.SIGKILL)
    until(lambda: not local.status(settings).running or _ready_again(settings, database))
    with CircuitClient(settings=settings, worker=False) as client:
        with pytest.raises(StoreUnavailable, match=r"being restored .* by process 1 of here"):
            client.circuits()
        client.restore(file, force=True)
        assert _rows(service) == [{"name": "kept"}]


def _ready_again(settings: Settings, database: int) -> bool:
    found = local.status(settings)
    return found.phase is Phase.READY and found.database_pid not in (None, database)


def test_it_ends_when_nobody_is_there(settings: Settings) -> None:
    settings = settings.model_copy(update={"idle_seconds": 1.0})
    with local.hold(settings):
        local.ensure_local(settings, worker=False)
        time.sleep(3)
        assert local.status(settings).running
        local.pin(settings)
    time.sleep(3)
    assert local.status(settings).running
    ServiceFiles(settings).pinned.unlink()
    until(lambda: not local.status(settings).running)
    until(lambda: processes(settings) == [])


def test_a_live_job_keeps_it(settings: Settings) -> None:
    settings = settings.model_copy(update={"idle_seconds": 0.5})
    with local.hold(settings):
        service = local.ensure_local(settings, worker=False)
        with GraphStore(service.address) as store:
            store.write(lambda tx: tx.run("CREATE (:Job {job_id: 'j', state: 'queued'})").consume())
    time.sleep(3)
    assert local.status(settings).running
    with GraphStore(service.address) as store:
        store.write(lambda tx: tx.run("MATCH (j:Job) SET j.state = 'cancelled'").consume())
    until(lambda: not local.status(settings).running)


def test_a_job_that_nobody_here_can_do_keeps_neither_worker_nor_service(settings: Settings) -> None:
    settings = settings.model_copy(update={"idle_seconds": 0.5, "serves": "cpu:8"})
    elsewhere = PLACEMENT.model_copy(update={"device": "cuda"})
    with local.hold(settings):
        service = local.ensure_local(settings, worker=False)
        with GraphStore(service.address) as store:
            job_id = jobs.submit(store, a_spec(), elsewhere).record.job_id
        assert local.renew_worker(settings) is local.WorkerIs.MISSING
        until(lambda: not ServiceFiles(settings).worker_wanted.exists())
        assert local.status(settings).worker_pid is None
    until(lambda: not local.status(settings).running)
    service = local.ensure_local(settings, worker=False)
    with GraphStore(service.address) as store:
        assert jobs.get(store, job_id).state is JobState.QUEUED


def test_a_start_that_fails_shows_the_end_of_the_log(settings: Settings) -> None:
    databases = settings.home / "store" / "databases"
    databases.parent.mkdir(parents=True)
    databases.write_text("a file where a folder belongs")
    with pytest.raises(StoreUnavailable, match=r"does not start: (.|\n)*server\.log"):
        local.ensure_local(settings, worker=False)
    assert not local.status(settings).running
    databases.unlink()
    assert _rows(local.ensure_local(settings, worker=False)) == []


def test_a_worker_comes_with_a_job_is_started_again_and_goes_when_idle(settings: Settings) -> None:
    settings = settings.model_copy(update={"worker_idle_seconds": 1.0})
    wanted = ServiceFiles(settings).worker_wanted
    service = local.ensure_local(settings)  # as a command that only reads
    until(lambda: not wanted.exists())
    assert local.status(settings).worker_pid is None
    # Held: else the supervisor wishes for a worker itself, where it sees the job before we do.
    with local.hold(settings), GraphStore(service.address) as store:
        job_id = queued(store)
        assert claim(store, job_id, "ours")
        assert local.renew_worker(settings) is local.WorkerIs.MISSING
        until(lambda: local.status(settings).worker_pid is not None)
        first = local.status(settings).worker_pid
        assert first is not None
        assert psutil.Process(first).environ()["CIRCUITS_GRAPH"] == service.address.uri
        assert local.renew_worker(settings) is local.WorkerIs.STARTING
        os.kill(first, signal.SIGKILL)
        until(lambda: local.status(settings).worker_pid not in (None, first))
        jobs.fail(store, job_id, "ours", BROKE)
    until(lambda: local.status(settings).worker_pid is None)
    assert not wanted.exists()
    assert local.status(settings).running


def test_without_torch_the_store_starts_and_a_job_names_the_extra(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(name: str) -> None:
        del name

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[worker\]"):
        require_worker(settings)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[local\]"):
        local.ensure_local(settings)


def test_looking_for_a_supervisor_is_no_reason_for_one_to_give_up(settings: Settings) -> None:
    """Who looks shares the lock, and may stand still in that very moment."""
    files = ServiceFiles(settings)
    entered, leave = Event(), Event()

    def supervise() -> bool:
        with files.supervising() as alone:
            entered.set()
            leave.wait()
            return alone

    with ThreadPoolExecutor() as pool:
        with locked(files.supervisor_lock, fcntl.LOCK_SH):
            alone = pool.submit(supervise)
            assert not entered.wait(1.0)
        assert entered.wait(120)
        with files.supervising() as another:
            assert not another
        leave.set()
        assert alone.result()


def test_logs_are_put_aside_while_it_runs(settings: Settings) -> None:
    local.ensure_local(settings, worker=False)
    supervisor = local.status(settings).supervisor_pid
    assert supervisor is not None
    line = b"x" * 1023 + b"\n"
    for path in (settings.log_dir / "supervisor.log", settings.home / "store" / "server.log"):
        os.kill(supervisor, signal.SIGSTOP)  # it does not look at what is half written
        try:
            with path.open("ab") as file:
                file.write(line * 6_000)
        finally:
            os.kill(supervisor, signal.SIGCONT)
        aside = path.with_name(f"{path.name}.1")
        until(aside.exists)
        until(lambda path=path: path.stat().st_size < 2**20)
        assert aside.stat().st_mode & 0o077 == 0
        assert aside.stat().st_size >= 6_000 * len(line)
    assert local.ensure_local(settings, worker=False), "it goes on"
