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
from tests.deploy.containers import DEPLOY, SERVICES, USERS, container, only_root
from tests.servers import running, wait_for_redis
from workers import broker
from workers.settings import Settings

pytestmark = pytest.mark.needs_redis


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Passwords, certificates and the access list, as they are made for a cluster."""
    folder = tmp_path_factory.mktemp("deploy") / "secrets"
    if shutil.which("redis-server") is None or shutil.which("openssl") is None:
        pytest.skip("no redis-server or no openssl on the PATH")
    subprocess.run([str(DEPLOY / "make-secrets.sh"), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def secured_redis(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[int]:
    """The port of a server with the shipped files; where they lie is all that differs."""
    folder = tmp_path_factory.mktemp("redis")
    text = (DEPLOY / "redis" / "redis.conf").read_text()
    (folder / "redis.conf").write_text(text.replace("/etc/redis", str(secrets)))
    with reserved_port() as port:
        command = ["redis-server", "redis.conf", "--tls-port", str(port)]
        with running([*command, "--bind", "127.0.0.1", "127.0.0.2"], folder):
            with client(port, secrets, "worker") as probe:
                wait_for_redis(probe)
            yield port


def password(secrets: Path, user: str) -> str:
    return (secrets / f"redis_{user}.txt").read_text().strip()


def client(port: int, secrets: Path, user: str) -> redis.Redis:
    return redis.Redis(
        host="localhost",
        port=port,
        ssl=True,
        ssl_ca_certs=str(secrets / "tls" / "ca.crt"),
        username=user,
        password=password(secrets, user),
    )


@only_root
def test_the_container_starts_with_exactly_the_mounted_files(secrets: Path, tmp_path: Path) -> None:
    with reserved_port() as port:
        command = [*SERVICES["redis"]["command"], "--tls-port", str(port)]
        layer = tmp_path / "layer"
        layer.mkdir()
        inside = container("redis", secrets, layer, command, user=USERS["redis"])
        with running(inside, tmp_path), client(port, secrets, "worker") as session:
            wait_for_redis(session)
            assert session.info()["config_file"] == "/etc/redis/redis.conf"


def test_a_plain_connection_is_refused(secured_redis: int) -> None:
    with (
        redis.Redis(port=secured_redis, socket_timeout=2) as plain,
        pytest.raises((redis.ConnectionError, redis.TimeoutError)),
    ):
        plain.ping()


def test_the_default_user_is_off(secrets: Path, secured_redis: int) -> None:
    anonymous = redis.Redis(
        host="localhost", port=secured_redis, ssl=True, ssl_ca_certs=str(secrets / "tls/ca.crt")
    )
    with anonymous, pytest.raises(redis.AuthenticationError):
        anonymous.ping()


@pytest.mark.parametrize("user", ["worker", "client"])
def test_both_users_deliver_messages_and_neither_administers(
    secrets: Path, secured_redis: int, user: str
) -> None:
    place = f"{user}:{password(secrets, user)}@localhost:{secured_redis}/0"
    url = f"rediss://{place}?ssl_ca_certs={secrets}/tls/ca.crt"
    with Connection(url) as connection:
        queue = connection.SimpleQueue(f"queue-{user}")
        queue.put({"job_id": "x"})
        assert queue.get(timeout=120).payload == {"job_id": "x"}
        queue.close()
    with client(secured_redis, secrets, user) as session:
        for command in ("FLUSHALL", "CONFIG GET *", "ACL LIST", "SHUTDOWN"):
            with pytest.raises(NoPermissionError):
                session.execute_command(*command.split())


def test_a_server_is_checked_unless_one_asks_not_to(
    secrets: Path, secured_redis: int, tmp_path: Path
) -> None:
    certificate(tmp_path, "DNS:localhost")
    word = password(secrets, "worker")

    def depth(host: str = "localhost", asked: str = "", **settings: Any) -> int:
        url = f"rediss://worker:{word}@{host}:{secured_redis}/0{asked}"
        app = broker.make_app(Settings(home=tmp_path, graph="bolt://x", broker=url, **settings))
        try:
            return broker.queue_depth(app)
        finally:
            app.close()

    ours, anothers = secrets / "tls/ca.crt", tmp_path / "server.crt"
    assert depth(ca_file=ours) == 0
    assert depth(asked="?ssl_cert_reqs=none") == 0
    for refused in ({}, {"ca_file": anothers}, {"ca_file": ours, "host": "127.0.0.2"}):
        with pytest.raises(StoreUnavailable, match=r"certificate verify failed.*CIRCUITS_CA_FILE"):
            depth(**refused)
    with pytest.raises(SpecError, match="ssl_cert_reqs='maybe'") as error:
        depth(asked="?ssl_cert_reqs=maybe")
    assert word not in str(error.value)


def test_only_workers_list_keys(secrets: Path, secured_redis: int) -> None:
    with client(secured_redis, secrets, "worker") as worker:
        assert isinstance(worker.keys("*"), list)
    with client(secured_redis, secrets, "client") as caller, pytest.raises(NoPermissionError):
        caller.keys("*")
