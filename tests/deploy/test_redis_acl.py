"""The broker's shipped configuration: TLS only, and what each of the two users may do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection
from redis.exceptions import NoPermissionError

from graph_schema.errors import SpecError, StoreUnavailable
from graph_schema.processes import reserved_port
from tests.certificates import certificate
from tests.servers import running, wait_for_redis
from workers import broker
from workers.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy" / "redis"

pytestmark = pytest.mark.needs_redis


@pytest.fixture(scope="module")
def secured_redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[int, Path]]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not on the PATH")
    folder = tmp_path_factory.mktemp("redis")
    for user in ("worker", "client"):
        (folder / f"{user}.txt").write_text(f"{user}-password\n")
    acl = subprocess.run(
        [DEPLOY / "make-acl.sh", folder / "worker.txt", folder / "client.txt"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (folder / "users.acl").write_text(
        "\n".join(line for line in acl.splitlines() if line.startswith("user "))
    )
    certificate(folder, "DNS:localhost,IP:127.0.0.1")
    shutil.copy(folder / "server.crt", folder / "ca.crt")
    text = (DEPLOY / "redis.conf").read_text()
    text = text.replace("/etc/redis/tls", str(folder)).replace("/etc/redis", str(folder))
    with reserved_port() as port:
        text = text.replace("tls-port 6379", f"tls-port {port}\nbind 127.0.0.1 127.0.0.2")
        (folder / "redis.conf").write_text(text)
        with running(["redis-server", str(folder / "redis.conf")], folder):
            with client(port, folder, "worker") as probe:
                wait_for_redis(probe)
            yield port, folder


def client(port: int, folder: Path, user: str) -> redis.Redis:
    return redis.Redis(
        host="localhost",
        port=port,
        ssl=True,
        ssl_ca_certs=str(folder / "ca.crt"),
        username=user,
        password=f"{user}-password",
    )


def test_a_plain_connection_is_refused(secured_redis: tuple[int, Path]) -> None:
    port, _ = secured_redis
    with (
        redis.Redis(port=port, socket_timeout=2) as plain,
        pytest.raises((redis.ConnectionError, redis.TimeoutError)),
    ):
        plain.ping()


def test_the_default_user_is_off(secured_redis: tuple[int, Path]) -> None:
    port, folder = secured_redis
    anonymous = redis.Redis(
        host="localhost", port=port, ssl=True, ssl_ca_certs=str(folder / "ca.crt")
    )
    with anonymous, pytest.raises(redis.AuthenticationError):
        anonymous.ping()


@pytest.mark.parametrize("user", ["worker", "client"])
def test_both_users_deliver_messages_and_neither_administers(
    secured_redis: tuple[int, Path], user: str
) -> None:
    port, folder = secured_redis
    url = f"rediss://{user}:{user}-password@localhost:{port}/0?ssl_ca_certs={folder}/ca.crt"
    with Connection(url) as connection:
        queue = connection.SimpleQueue(f"queue-{user}")
        queue.put({"job_id": "x"})
        assert queue.get(timeout=120).payload == {"job_id": "x"}
        queue.close()
    with client(port, folder, user) as session:
        for command in ("FLUSHALL", "CONFIG GET *", "ACL LIST", "SHUTDOWN"):
            with pytest.raises(NoPermissionError):
                session.execute_command(*command.split())


def test_a_server_is_checked_unless_one_asks_not_to(
    secured_redis: tuple[int, Path], tmp_path: Path
) -> None:
    port, folder = secured_redis
    certificate(tmp_path, "DNS:localhost")

    def depth(host: str = "localhost", asked: str = "", **settings: Any) -> int:
        url = f"rediss://worker:worker-password@{host}:{port}/0{asked}"
        app = broker.make_app(Settings(home=tmp_path, graph="bolt://x", broker=url, **settings))
        try:
            return broker.queue_depth(app)
        finally:
            app.close()

    ours, anothers = folder / "ca.crt", tmp_path / "server.crt"
    assert depth(ca_file=ours) == 0
    assert depth(asked="?ssl_cert_reqs=none") == 0
    for refused in ({}, {"ca_file": anothers}, {"ca_file": ours, "host": "127.0.0.2"}):
        with pytest.raises(StoreUnavailable, match=r"certificate verify failed.*CIRCUITS_CA_FILE"):
            depth(**refused)
    with pytest.raises(SpecError, match="ssl_cert_reqs='maybe'") as error:
        depth(asked="?ssl_cert_reqs=maybe")
    assert "worker-password" not in str(error.value)


def test_only_workers_list_keys(secured_redis: tuple[int, Path]) -> None:
    port, folder = secured_redis
    with client(port, folder, "worker") as worker:
        assert isinstance(worker.keys("*"), list)
    with client(port, folder, "client") as caller, pytest.raises(NoPermissionError):
        caller.keys("*")
