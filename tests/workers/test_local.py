"""The local service: one supervisor a home, whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import pytest

from graph_schema.errors import MissingExtraError, SpecError, StoreUnavailable
from graph_schema.store.connection import GraphStore
from workers import local
from workers.service_files import Phase, ServiceFiles
from workers.settings import Settings

pytestmark = pytest.mark.slow

JOIN = """
import sys
from pathlib import Path
from workers.local import ensure_local
from workers.settings import Settings
settings = Settings(home=Path(sys.argv[1]), idle_seconds=60)
print(ensure_local(settings, worker=False).address.uri)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Generator[Settings]:
    """A home with a space in its name; whatever was started there is ended."""
    made = Settings(home=tmp_path / "a home", idle_seconds=60)
    yield made
    local.down(made)
    _wait_for(lambda: _processes(made) == [])


def _processes(settings: Settings) -> list[psutil.Process]:
    """All processes that name the home in their arguments, environment or working directory."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd(), process.environ().get("CIRCUITS_HOME", "")]
        except psutil.Error:
            continue
        if any(str(settings.home) in word for word in words):
            found.append(process)
    return found


def _wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


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
    assert not local.down(settings)
    first = local.ensure_local(settings, worker=False)
    start = time.monotonic()
    assert local.ensure_local(settings, worker=False) == first
    assert time.monotonic() - start < 1.0

    found = local.status(settings)
    assert found.running
    assert found.phase is Phase.READY
    assert found.uri == first.address.uri
    assert found.database_pid is not None
    assert found.worker_pid is None

    commands = " ".join(word for process in _processes(settings) for word in process.cmdline())
    assert first.address.password not in commands
    assert first.address.uri.startswith("bolt://127.0.0.1:")
    for path in [settings.home, *settings.home.rglob("*")]:
        assert path.is_socket() or path.stat().st_mode & 0o077 == 0, path

    _write(first)
    assert local.down(settings)
    assert not local.status(settings).running
    assert _processes(settings) == []
    assert _rows(local.ensure_local(settings, worker=False)) == [{"name": "kept"}]


def test_four_starting_at_once_end_with_one_supervisor(settings: Settings) -> None:
    command = [sys.executable, "-c", JOIN, str(settings.home)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    addresses = {process.communicate(timeout=120)[0].strip() for process in started}
    assert all(process.returncode == 0 for process in started)
    assert len(addresses) == 1
    names = [" ".join(process.cmdline()) for process in _processes(settings)]
    assert len([name for name in names if "workers.supervisor" in name]) == 1
    assert len([name for name in names if "java.args" in name]) == 1


def test_a_killed_supervisor_leaves_no_orphan_and_is_replaced(settings: Settings) -> None:
    service = local.ensure_local(settings, worker=False)
    _write(service)
    found = local.status(settings)
    assert found.supervisor_pid is not None
    os.kill(found.supervisor_pid, signal.SIGKILL)
    _wait_for(lambda: not local.status(settings).running)
    again = local.ensure_local(settings, worker=False)
    assert again.address == service.address
    assert _rows(again) == [{"name": "kept"}]
    assert found.database_pid is not None
    assert found.database_pid not in [process.pid for process in _processes(settings)]


def test_a_killed_database_is_started_again_at_its_address(settings: Settings) -> None:
    service = local.ensure_local(settings, worker=False)
    _write(service)
    found = local.status(settings)
    assert found.database_pid is not None
    os.kill(found.database_pid, signal.SIGKILL)
    _wait_for(lambda: local.status(settings).database_pid not in (None, found.database_pid))
    assert local.ensure_local(settings, worker=False).address == service.address
    assert _rows(service) == [{"name": "kept"}]
    assert local.status(settings).supervisor_pid == found.supervisor_pid


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
    _wait_for(lambda: not local.status(settings).running)
    _wait_for(lambda: _processes(settings) == [])


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
    _wait_for(lambda: not local.status(settings).running)


def test_a_start_that_fails_shows_the_end_of_the_log(settings: Settings) -> None:
    databases = settings.home / "store" / "databases"
    databases.parent.mkdir(parents=True)
    databases.write_text("a file where a folder belongs")
    with pytest.raises(StoreUnavailable, match=r"does not start: (.|\n)*server\.log"):
        local.ensure_local(settings, worker=False)
    assert not local.status(settings).running
    databases.unlink()
    assert _rows(local.ensure_local(settings, worker=False)) == []


def test_a_worker_that_dies_is_started_again(settings: Settings) -> None:
    local.ensure_local(settings, worker=False)
    local.ensure_local(settings)
    found = local.status(settings)
    assert found.worker_pid is not None
    environment = psutil.Process(found.worker_pid).environ()
    assert environment["CIRCUITS_GRAPH"] == found.uri
    os.kill(found.worker_pid, signal.SIGKILL)
    _wait_for(lambda: local.status(settings).worker_pid not in (None, found.worker_pid))


def test_without_torch_the_store_starts_and_a_job_names_the_extra(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(name: str) -> None:
        del name

    monkeypatch.setattr(local.importlib.util, "find_spec", nothing)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[worker\]"):
        local.require_worker(settings)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[local\]"):
        local.ensure_local(settings)
