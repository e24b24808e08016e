"""What is no message of ours is dropped and counted; the messages around it are delivered."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from kombu.asynchronous import Hub
from kombu.entity import Queue
from kombu.messaging import Consumer

from graph_schema.documents import ModelSource
from graph_schema.documents.jobs import Demand, Device, Placement
from tests.workers.broker.test_app import record
from tests.workers.tiny import until
from workers import broker
from workers.broker.messages import LONGEST, RUN_TASK, read_message
from workers.settings import Settings

JOB_IDS = ["a" * 64, "b" * 64]


def _body(args: Any, kwargs: Any = None, **embedded: Any) -> str:
    text = json.dumps([args, kwargs or {}, {"callbacks": None, **embedded}])
    return base64.b64encode(text.encode()).decode()


def _without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda message: {key: each for key, each in message.items() if key != name}


def _with(name: str, **changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda message: message | {name: message[name] | changes}


PING = {"task": "celery.ping"}
NO_JOBS = [
    "a" * 63,
    "a" * 65,
    "A" * 64,
    "a" * 63 + "\n",
    "\N{ARABIC-INDIC DIGIT ONE}" * 64,
    "\N{FULLWIDTH LATIN SMALL LETTER A}" * 64,
    "../" * 21 + "a",
    "a" * 63 + "\x00",
]
BYTES = [
    b"",
    b"not JSON",
    b"\xff\xfe{",
    b"{",
    b"[]",
    b"null",
    b"7",
    b"{}",
    b'"circuits"',
    b"[" * 9999,
    b"9" * 9999,
    b"\xff" * (LONGEST + 1),
    b'"' + b"x" * 40 * 2**20 + b'"',
]
CHANGES: list[Callable[[dict[str, Any]], Any]] = [
    *map(_without, ("body", "headers", "properties", "content-type")),
    lambda message: message | {"properties": []},
    lambda message: message | {"headers": None},
    lambda message: message | {"content-type": "application/x-python-serialize"},
    lambda message: message | {"body": "?"},
    lambda message: message | {"body": {"__type__": "uuid", "__value__": "none"}},
    lambda message: message | {"body": _body(["a job"])},
    lambda message: message | {"body": _body([{"$ne": 1}])},
    lambda message: message | {"body": _body(JOB_IDS)},
    lambda message: message | {"body": _body(JOB_IDS[:1], {"more": 1})},
    *(
        lambda message, name=name: message | {"body": _body(JOB_IDS[:1], **{name: [PING]})}
        for name in ("callbacks", "errbacks", "chain", "chord")
    ),
    _with("properties", delivery_info=None),
    _with("properties", delivery_tag=None),
    _with("properties", delivery_tag=["x"]),
    _with("properties", priority="high"),
    _with("properties", priority=10),
    _with("properties", priority=-(10**30)),
    *(lambda message, job=job: message | {"body": _body([job])} for job in NO_JOBS),
    lambda message: message | {"content-encoding": "binary"},
    lambda message: message | {"content-encoding": "utf-16"},
    lambda message: message | {"padding": "x" * LONGEST},
    _with("headers", compression="zlib"),
    _with("headers", group="a group"),
    _with("properties", body_encoding="base63"),
    _with("headers", id=None),
    _with("headers", task="celery.backend_cleanup"),
    _with("headers", task=["circuits.run"]),
    _with("headers", eta="9999-01-01T00:00:00"),
    _with("headers", expires={"a": 1}),
    _with("headers", timelimit="soon"),
    _with("headers", retries="often"),
]


class OnFolder:
    """A queue in a folder, and what puts bytes there."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.home / "broker" / "queue"

    def take(self) -> bytes:
        (file,) = self.folder.iterdir()
        raw = file.read_bytes()
        file.unlink()
        return raw

    def put(self, raw: bytes) -> None:
        name = f"{time.monotonic_ns():019}_odd.{broker.QUEUE}.msg"
        (self.folder / name).write_bytes(raw)


class OnRedis:
    """A queue on Redis, and what puts bytes there."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url)

    def take(self) -> bytes:
        (key,) = cast("list[bytes]", self.client.keys(f"{broker.QUEUE}*"))
        return cast("bytes", self.client.rpop(key))

    def put(self, raw: bytes) -> None:
        self.client.lpush(broker.QUEUE, raw)


@pytest.fixture(params=["folder", pytest.param("redis", marks=pytest.mark.needs_redis)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Settings, OnFolder | OnRedis]:
    if request.param == "folder":
        settings = Settings(home=tmp_path)
        return settings, OnFolder(settings)
    url = request.getfixturevalue("empty_redis")
    return Settings.model_validate(
        {"home": tmp_path, "broker": url, "graph": "bolt://nowhere"}
    ), OnRedis(url)


def test_a_malformed_entry_ends_nothing_and_every_job_is_delivered(
    place: tuple[Settings, OnFolder | OnRedis], caplog: pytest.LogCaptureFixture
) -> None:
    """In the event loop that a worker's main process runs."""
    settings, queue = place
    app = broker.make_app(settings)
    broker.send(app, record(JOB_IDS[0]))
    whole = json.loads(queue.take())
    odd = [*BYTES, *(json.dumps(change(whole)).encode() for change in CHANGES)]
    for raw in odd:
        queue.put(raw)
    for job_id in JOB_IDS:
        broker.send(app, record(job_id, priority=9))
        queue.put(odd[3])
    taken: list[str] = []

    def take(body: Any, message: Any) -> None:
        taken.append(body[0][0])
        message.ack()

    with app.connection_for_read() as connection, connection.channel() as channel:
        consumer = Consumer(channel, [Queue(broker.QUEUE)], accept=["json"])
        consumer.register_callback(take)
        consumer.consume()
        connection.register_with_event_loop(hub := Hub())

        def drained() -> bool:
            for _ in range(50):
                hub.run_once()  # where nothing is left it waits most of a second
                if len(taken) == len(JOB_IDS) and broker.queue_depth(app) == 0:
                    return True
            return False

        if connection.transport.implements.asynchronous:
            until(drained)
            hub.close()
        else:
            until(lambda: _drained(connection, app))
    app.close()
    assert sorted(taken) == JOB_IDS
    said = [line for line in caplog.messages if "holds no job id and is dropped" in line]
    assert len(said) == len(odd) + len(JOB_IDS)
    assert all(line.isprintable() for line in said)


def _drained(connection: Any, app: Any) -> bool:
    try:
        connection.drain_events(timeout=0.2)
    except TimeoutError:
        return broker.queue_depth(app) == 0
    return False


FORGED = "\x1b]0;x\x07\r\nforged\u202e"


def test_nothing_of_a_sender_s_envelope_reaches_celery(
    place: tuple[Settings, OnFolder | OnRedis],
) -> None:
    """A message that is put back goes where its envelope says; its names go into logs."""
    settings, queue = place
    app = broker.make_app(settings)
    broker.send(app, record(JOB_IDS[0]))
    whole = json.loads(queue.take())
    odd = dict.fromkeys(("id", "root_id", "parent_id", "origin", "argsrepr", "lang"), FORGED)
    whole["headers"] |= odd | {"retries": 10**40, "redelivered": True, "reply_to": FORGED}
    whole["properties"] |= {
        **dict.fromkeys(("correlation_id", "reply_to", "delivery_tag", "cluster_id"), FORGED),
        "delivery_info": {"exchange": "", "routing_key": "_kombu.binding.circuits"},
    }
    queue.put(json.dumps(whole).encode())
    with app.connection_for_read() as connection, connection.SimpleQueue(broker.QUEUE) as waiting:
        message = waiting.get(timeout=120)
        seen = repr((message.headers, message.properties, message.delivery_info, message.payload))
        assert message.payload[0] == JOB_IDS[:1]
        assert message.headers["retries"] == 0
        assert message.delivery_info["routing_key"] == broker.QUEUE
        message.requeue()
        assert broker.queue_depth(app) == 1
    assert not any(part in seen for part in ("forged", "kombu", "x1b", "u202e"))
    app.close()


def test_a_message_that_is_put_back_stays_in_the_queue_it_is_of(
    place: tuple[Settings, OnFolder | OnRedis],
) -> None:
    """A job for a GPU whose worker stops before it starts it is for a GPU still."""
    settings, _ = place
    app = broker.make_app(settings)
    gpu = Placement(model=ModelSource(name="org/name"), device="cuda")
    broker.send(app, record(JOB_IDS[0]).model_copy(update={"placement": gpu.canonical_json()}))
    name = broker.queue_of(Demand(Device.CUDA))
    with app.connection_for_read() as connection, connection.SimpleQueue(name) as waiting:
        waiting.get(timeout=120).requeue()
        assert broker.queue_depths(app)["cuda"] == 1
        assert broker.queue_depth(app) == 1
    app.close()


def test_what_a_worker_sends_again_is_a_message_too(tmp_path: Path) -> None:
    """A worker's app has the task, with limits of its own; a client's has not."""
    settings = Settings(home=tmp_path)
    app = broker.make_app(settings)
    app.loader.import_default_modules()
    assert RUN_TASK in app.tasks
    broker.send(app, record(JOB_IDS[0]))
    assert read_message(OnFolder(settings).take()) is not None
    app.close()


@pytest.mark.needs_redis
def test_what_was_taken_and_cannot_be_put_back_stands_in_nobodys_way(
    empty_redis: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages of a worker that died, an odd entry before them."""
    settings = Settings.model_validate(
        {"home": tmp_path, "broker": empty_redis, "graph": "bolt://nowhere"}
    )
    app = broker.make_app(settings)
    queue = OnRedis(empty_redis)
    broker.send(app, record(JOB_IDS[0]))
    whole = json.loads(queue.take())
    for tag, raw, taken in (
        ("odd", b"{", 2),
        ("odder", b"7", 3),
        ("whole", json.dumps([whole, "", broker.QUEUE]).encode(), 1),
    ):
        queue.client.hset("unacked", tag, raw)
        queue.client.zadd("unacked_index", {tag: taken})
    with app.connection_for_read() as connection, connection.channel() as channel:
        channel.queue_declare(queue=broker.QUEUE)
        cast("Any", channel).qos.restore_visible()
    assert broker.queue_depth(app) == 1
    assert not queue.client.exists("unacked", "unacked_index")
    assert caplog.text.count("cannot be put back and is dropped") == 2
    app.close()
