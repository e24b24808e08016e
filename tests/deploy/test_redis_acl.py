"""The broker's shipped configuration: TLS only, and what each of the two users may do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from graph_schema.errors import SpecError, StoreUnavailable
from graph_schema.processes import reserved_port
from tests.certificates import certificate
from tests.deploy.containers import DEPLOY, SERVICES, USERS, container
from tests.servers import running, wait_for_redis
from tests.workers.broker.test_app import record
from workers import broker
from workers.settings import Settings

pytestmark = pytest.mark.needs_redis

ONCE = Retry(NoBackoff(), 0)
"""What is refused is refused: the client would try it again, and wait seconds in between."""


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
        retry=ONCE,
    )


@pytest.mark.needs_containers
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
        redis.Redis(port=secured_redis, socket_timeout=2, retry=ONCE) as plain,
        pytest.raises((redis.ConnectionError, redis.TimeoutError)),
    ):
        plain.ping()


def test_the_default_user_is_off(secrets: Path, secured_redis: int) -> None:
    anonymous = redis.Redis(
        host="localhost",
        port=secured_redis,
        ssl=True,
        ssl_ca_certs=str(secrets / "tls/ca.crt"),
        retry=ONCE,
    )
    with anonymous, pytest.raises(redis.AuthenticationError):
        anonymous.ping()


def test_a_client_submits_and_counts_what_a_worker_takes(
    secrets: Path, secured_redis: int, tmp_path: Path
) -> None:
    def app_of(user: str) -> Celery:
        url = f"rediss://{user}:{password(secrets, user)}@localhost:{secured_redis}/0"
        given = {"home": tmp_path, "graph": "bolt://x", "broker": url}
        told = given | {"ca_file": secrets / "tls/ca.crt"}
        return broker.make_app(Settings.model_validate(told))

    caller, worker = app_of("client"), app_of("worker")
    try:
        for number in range(10):
            device = "cpu" if number < 5 else "cuda"
            broker.send(caller, record(str(number) * 64, priority=number, device=device))
        assert broker.queue_depth(caller) == 10
        taken: list[Any] = []
        with worker.connection_for_read() as connection:
            for name in (broker.QUEUE, "circuits.cuda"):
                queue = connection.SimpleQueue(name)
                taken += [queue.get(timeout=120) for _ in range(5)]
                for message in taken[-5:]:
                    message.ack()
                queue.close()
        assert sorted(message.payload[0] for message in taken) == [
            [str(number) * 64] for number in range(10)
        ]
        assert broker.queue_depth(caller) == 0
    finally:
        caller.close()
        worker.close()


NOT_ASKED = {"auth", "hello", "quit", "reset", "multi", "exec"}
"""Redis lets every user do the first four. After `multi` all is answered otherwise; with `exec` it
counts a queue of several priorities."""


def test_a_client_may_send_and_count_and_nothing_else(secrets: Path, secured_redis: int) -> None:
    """Every command that the server knows, with a queue's name for all it wants to be told."""
    with client(secured_redis, secrets, "worker") as worker:
        commands: dict[str, dict[str, Any]] = worker.command()
    arity = {name: found["arity"] for name, found in commands.items() if not found["subcommands"]}
    for found in commands.values():
        arity |= {part[0].decode().replace("|", " "): part[1] for part in found["subcommands"]}
    assert len(arity) > 300
    with client(secured_redis, secrets, "client") as caller:
        allowed = {
            name
            for name, words in arity.items()
            if name not in NOT_ASKED and _is_allowed(caller, name.split(), abs(words))
        }
    assert allowed == {"ping", "lpush", "llen"}


def _is_allowed(session: redis.Redis, command: list[str], words: int) -> bool:
    try:
        session.execute_command(*command, *[f"{broker.QUEUE}.of-tests"] * (words - len(command)))
    except NoPermissionError:
        return False
    except redis.ResponseError as error:
        return "command not allowed" not in str(error)  # to nobody: debug, module
    return True


def test_a_client_pushes_nothing_huge(secrets: Path, secured_redis: int) -> None:
    """A value of a megabyte is taken; one byte more is refused and leaves nothing behind."""
    queue = f"{broker.QUEUE}.of-tests"
    for size, taken in ((2**20, True), (2**20 + 1, False)):
        with client(secured_redis, secrets, "client") as caller:
            before = caller.llen(queue)
            if taken:
                assert caller.lpush(queue, b"x" * size) == before + 1
            else:
                with pytest.raises((redis.ResponseError, redis.ConnectionError)):
                    caller.lpush(queue, b"x" * size)
        with client(secured_redis, secrets, "client") as caller:
            assert caller.llen(queue) == before + taken
    with client(secured_redis, secrets, "worker") as worker:
        worker.delete(queue)


@pytest.mark.parametrize("command", ["LPUSH _kombu.binding.circuits x", "LLEN unacked"])
def test_a_client_reaches_no_key_but_the_queues(
    secrets: Path, secured_redis: int, command: str
) -> None:
    with (
        client(secured_redis, secrets, "client") as caller,
        pytest.raises(NoPermissionError, match="key"),
    ):
        caller.execute_command(*command.split())


def test_a_worker_administers_nothing(secrets: Path, secured_redis: int) -> None:
    with client(secured_redis, secrets, "worker") as session:
        assert isinstance(session.keys("*"), list)
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
        given = {"home": tmp_path, "graph": "bolt://x", "broker": url, **settings}
        app = broker.make_app(Settings.model_validate(given))
        try:
            return broker.queue_depth(app)
        finally:
            app.close()

    ours, anothers = secrets / "tls/ca.crt", tmp_path / "server.crt"
    assert depth(ca_file=ours) == 0
    assert depth(asked="?ssl_cert_reqs=none") == 0
    refusals: list[dict[str, Any]] = [
        {},
        {"ca_file": anothers},
        {"ca_file": ours, "host": "127.0.0.2"},
    ]
    for refused in refusals:
        with pytest.raises(StoreUnavailable, match=r"certificate verify failed.*CIRCUITS_CA_FILE"):
            depth(**refused)
    with pytest.raises(SpecError, match="ssl_cert_reqs='maybe'") as error:
        depth(asked="?ssl_cert_reqs=maybe")
    assert word not in str(error.value)
