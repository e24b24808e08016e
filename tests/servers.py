"""Session fixtures for real servers: the embedded database, Neo4j, Redis.

Each starts once a session, in a temporary folder, on free ports of 127.0.0.1. `store` runs a test
on both databases, each time on an empty one with the schema in place. `embedded_store` is the one
for tests that need a database but not both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
import redis

from graph_schema.errors import ResourceError
from graph_schema.processes import reserved_port
from graph_schema.store import connection
from graph_schema.store.servers import embedded, java
from graph_schema.store.servers import neo4j as neo4j_server

WAIT_SECONDS = 120.0
"""For what must come true, on a machine that may be slow or stand still for a while."""
START_SECONDS = 300.0
COMMAND_SECONDS = 30.0
"""The embedded server's own limit: long for a command that a pause falls into."""

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")

# Constraints, indexes and the Schema node stay from test to test; everything else goes.
EMPTY = "MATCH (n) WHERE NOT n:Schema DETACH DELETE n"


@pytest.fixture(scope="session", autouse=True)
def _quick_java() -> Generator[None]:
    """Servers that live for minutes get the quick one of Java's two compilers alone.

    It spares a third of their CPU time. Local services that tests start inherit it.
    """
    with pytest.MonkeyPatch.context() as patch:
        given = os.environ.get("JAVA_TOOL_OPTIONS", "")
        patch.setenv("JAVA_TOOL_OPTIONS", f"{given} -XX:TieredStopAtLevel=1".strip())
        yield


@contextmanager
def _stopped_at_the_end(server: java.JavaServer) -> Generator[java.JavaServer]:
    try:
        with connection.GraphStore(server.address, patience=WAIT_SECONDS) as store:
            store.migrate()
        yield server
    finally:
        server.stop(1.0)  # its data are thrown away


@contextmanager
def _embedded(folder: Path) -> Generator[java.JavaServer]:
    # A query that never ends is among the tests: the server works on it for as long as it may.
    server = embedded.start_embedded(
        folder, heap_megabytes=512, command_seconds=COMMAND_SECONDS, seconds=START_SECONDS
    )
    with _stopped_at_the_end(server) as running:
        yield running


@pytest.fixture(scope="session")
def arcadedb(tmp_path_factory: pytest.TempPathFactory) -> Generator[java.JavaServer]:
    """The embedded database, running."""
    with _embedded(tmp_path_factory.mktemp("embedded database")) as running:
        yield running


@pytest.fixture
def own_arcadedb(tmp_path: Path) -> Generator[java.JavaServer]:
    """One that no other test feels the faults of."""
    with _embedded(tmp_path / "own database") as running:
        yield running


@pytest.fixture(scope="session")
def neo4j(tmp_path_factory: pytest.TempPathFactory) -> Generator[java.JavaServer]:
    """Neo4j Community from its jars, running."""
    folder = tmp_path_factory.mktemp("neo4j")
    try:
        server = neo4j_server.start_neo4j(
            folder, heap_megabytes=512, page_cache_megabytes=64, seconds=START_SECONDS
        )
    except ResourceError as error:
        pytest.skip(str(error))
    with _stopped_at_the_end(server) as running:
        yield running


@pytest.fixture(
    params=["arcadedb", pytest.param("neo4j", marks=pytest.mark.needs_neo4j)], scope="session"
)
def server(request: pytest.FixtureRequest) -> java.JavaServer:
    """Each of the two database servers in turn."""
    return cast("java.JavaServer", request.getfixturevalue(request.param))


def _empty(server: java.JavaServer) -> Generator[connection.GraphStore]:
    with connection.GraphStore(server.address, patience=WAIT_SECONDS) as store:
        store.migrate()
        store.write(lambda tx: tx.run(EMPTY).consume())
        yield store


@pytest.fixture
def store(server: java.JavaServer) -> Generator[connection.GraphStore]:
    """An empty graph with the schema in place, on both servers."""
    yield from _empty(server)


@pytest.fixture
def embedded_store(arcadedb: java.JavaServer) -> Generator[connection.GraphStore]:
    """An empty graph with the schema in place, on the embedded server alone."""
    yield from _empty(arcadedb)


@contextmanager
def running_redis(folder: Path, port: int) -> Generator[str]:
    """The address of a Redis server on a port that is reserved; it ends with the block."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on the PATH")
    options = {"bind": "127.0.0.1", "port": str(port), "dir": str(folder), "save": ""}
    command = [binary, *(word for name, value in options.items() for word in (f"--{name}", value))]
    url = f"redis://127.0.0.1:{port}/0"
    with running(command, folder), redis.Redis.from_url(url) as client:
        wait_for_redis(client)
        yield url


@contextmanager
def running(command: list[str], folder: Path) -> Generator[None]:
    """A server process, which ends with the block."""
    with Path(folder, "redis.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a Redis server; a test that uses it is marked `needs_redis`."""
    folder = tmp_path_factory.mktemp("redis")
    with reserved_port() as port, running_redis(folder, port) as url:
        yield url


@pytest.fixture
def empty_redis(redis_url: str) -> str:
    """The address of a Redis server with nothing in it."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


def wait_for_redis(client: redis.Redis) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            client.ping()
            return
        except redis.ConnectionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
