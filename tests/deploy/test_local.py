"""`deploy/local.sh`: a service with TLS, a private authority and passwords, on one machine."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from graph_schema.errors import ResourceError, StoreError, StoreUnavailable
from graph_schema.processes import reserved_port
from graph_schema.store.connection import GraphStore
from graph_schema.store.servers.neo4j import fetch_jars
from tests.deploy.containers import DEPLOY
from tests.workers.tiny import make_tiny
from workers.client import CircuitClient
from workers.settings import PREFIX, read_settings

pytestmark = [pytest.mark.slow, pytest.mark.needs_neo4j, pytest.mark.needs_redis]

WORKER = [sys.executable, "-c", "from workers.cli import main; main()", "worker"]


@dataclass(frozen=True)
class Cluster:
    """The servers that the script has started."""

    folder: Path
    ports: dict[str, int]
    said: str

    def script(self, *words: str) -> subprocess.CompletedProcess[str]:
        return _script(self.folder, self.ports, *words)

    def settings(self, who: str) -> dict[str, str]:
        """What the script has them export, as a shell reads it."""
        printed = self.script("settings", who)
        assert printed.returncode == 0, printed.stderr
        words = shlex.split(printed.stdout.replace("export ", ""))
        return dict(word.split("=", 1) for word in words)

    def url(self, who: str) -> str:
        return Path(self.settings(who)["CIRCUITS_BROKER_FILE"]).read_text().strip()


def _script(folder: Path, ports: dict[str, int], *words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {name: str(port) for name, port in ports.items()}
    env |= {"CIRCUITS_CLUSTER": str(folder), "PYTHON": sys.executable}
    env["PYTHONPATH"] = str(DEPLOY.parent)
    command = [str(DEPLOY / "local.sh"), *words]
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    try:
        fetch_jars()
    except ResourceError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("local") / "a cluster of ours"
    with reserved_port() as redis, reserved_port() as neo4j:
        ports = {"REDIS_PORT": redis, "NEO4J_PORT": neo4j}
        up = _script(folder, ports, "up")
        try:
            assert up.returncode == 0, up.stderr
            yield Cluster(folder, ports, up.stdout)
        finally:
            _script(folder, ports, "down")


@pytest.fixture
def client_of(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    """This process has the settings of a client."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in cluster.settings("client").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CIRCUITS_HOME", str(tmp_path / "home"))
    return cluster


def _client(cluster: Cluster) -> CircuitClient:
    """By its addresses; passwords and authority are those of the environment."""
    del os.environ["CIRCUITS_BROKER_FILE"], os.environ["CIRCUITS_GRAPH"]
    graph = f"bolt+s://localhost:{cluster.ports['NEO4J_PORT']}"
    return CircuitClient(broker=cluster.url("client"), graph=graph)


def test_a_client_and_a_worker_do_a_job(client_of: Cluster, tmp_path: Path) -> None:
    cluster = client_of
    tiny = make_tiny(tmp_path / "tiny", n_layers=1)
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_bytes(tiny.jsonl)
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    env = others | cluster.settings("worker")
    env |= {"CIRCUITS_HOME": str(tmp_path / "worker"), "PYTHONPATH": str(DEPLOY.parent)}
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(WORKER, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        with _client(cluster) as client:
            job = client.submit(model=str(tiny.folder), dataset=pairs, method="eap", n_edges=20)
            assert job.result(timeout=300).n_edges > 0
            assert client.cypher("MATCH (c:Circuit) RETURN count(c) AS n")
    except BaseException:
        sys.stderr.write(log.read_text()[-8000:])
        raise
    finally:
        worker.terminate()
        assert worker.wait(60) == 0


def test_without_the_authority_a_client_is_refused(
    client_of: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from workers import broker

    monkeypatch.delenv("CIRCUITS_CA_FILE")
    app = broker.make_app(read_settings())
    with pytest.raises(StoreUnavailable, match=r"certificate verify failed.*CIRCUITS_CA_FILE"):
        broker.queue_depth(app)
    app.close()
    with (
        _client(client_of) as client,
        pytest.raises(StoreUnavailable, match="bolt\\+s://localhost"),
    ):
        client.jobs()


def test_nobody_talks_to_the_graph_in_the_clear(client_of: Cluster) -> None:
    plain = f"bolt://localhost:{client_of.ports['NEO4J_PORT']}"
    address = read_settings(graph=plain).store_address()
    with GraphStore(address, patience=0) as store, pytest.raises(StoreUnavailable):
        store.ping()


@pytest.mark.parametrize(
    "query",
    [
        "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
        "LOAD CSV FROM 'http://127.0.0.1/' AS line RETURN line",
    ],
)
def test_the_shipped_configuration_is_in_force(client_of: Cluster, query: str) -> None:
    with GraphStore(read_settings().store_address()) as store, pytest.raises(StoreError):
        store.rows(query)  # pyright: ignore[reportArgumentType]


def test_no_secret_is_said_or_stands_in_a_command_line(cluster: Cluster) -> None:
    secrets = [file.read_text().strip() for file in (cluster.folder / "secrets").glob("*.txt")]
    assert len(secrets) == 7
    said = [cluster.said, *_processes().values()]
    assert [secret for secret in secrets for text in said if secret in text] == []
    for log in cluster.folder.glob("*.log"):
        assert not any(secret in log.read_text() for secret in secrets), log


def test_down_ends_both_and_up_again_is_refused_before(cluster: Cluster) -> None:
    again = cluster.script("up")
    assert again.returncode == 1
    assert f"runs already, from {cluster.folder}" in again.stderr
    ours = [each for each, called in _processes().items() if str(cluster.folder) in called]
    assert len(ours) == 3  # Redis, Python, Java
    down = cluster.script("down")
    assert (down.returncode, down.stdout, down.stderr) == (0, "", "")
    assert [each for each in ours if each.is_running() and each.status() != "zombie"] == []
    for port in cluster.ports.values():
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            pass
    once_more = cluster.script("down")
    assert (once_more.returncode, once_more.stdout.startswith("nothing runs from")) == (0, True)
    assert cluster.settings("worker")


def _processes() -> dict[psutil.Process, str]:
    """All of the machine, with what each was called with; one may end at any time."""
    found: dict[psutil.Process, str] = {}
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            found[each] = " ".join(each.cmdline())
    return found
