"""A message is the job's id alone, on a folder and on Redis."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import stat
import subprocess
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty
from typing import Any, cast

import pytest
from kombu.entity import Queue
from kombu.messaging import Consumer
from pydantic import SecretStr

from graph_schema.documents import ModelSource
from graph_schema.documents.jobs import Device, JobRecord, JobState, Offer, Placement
from graph_schema.errors import SpecError, StoreUnavailable
from graph_schema.processes import reserved_port
from tests.servers import running_redis
from workers import broker
from workers.broker import folder
from workers.settings import Settings


@pytest.fixture(params=["filesystem", pytest.param("redis", marks=pytest.mark.needs_redis)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = f"filesystem://{tmp_path}/a broker"
    if request.param == "redis":
        url = request.getfixturevalue("empty_redis")
    return Settings.model_validate({"home": tmp_path, "broker": url, "graph": "bolt://nowhere"})


def record(job_id: str, priority: int = 5, **placed: Any) -> JobRecord:
    placement = Placement(model=ModelSource(name="/m"), priority=priority, **placed)
    return JobRecord(
        job_id=job_id,
        kind="discover",
        state=JobState.QUEUED,
        spec="{}",
        placement=placement.canonical_json(),
        submitted_at=0,
    )


def test_the_queue_is_as_deep_as_messages_wait(settings: Settings) -> None:
    app = broker.make_app(settings)
    try:
        assert broker.queue_depth(app) == 0
        broker.send(app, record("0" * 64))
        broker.send(app, *(record(str(number) * 64, priority=number) for number in range(1, 6)))
        assert broker.queue_depth(app) == 6
    finally:
        with app.connection_for_write() as connection:
            connection.default_channel.queue_purge(broker.QUEUE)
        app.close()


def test_a_worker_takes_what_it_serves_the_most_urgent_first(settings: Settings) -> None:
    """Of those alike what fewer workers could do; what it does not serve stays."""
    app = broker.make_app(settings)
    sent = {
        "a": record("a" * 64),
        "b": record("b" * 64, device="cuda"),
        "c": record("c" * 64, device="cuda", memory_gib=12),
        "d": record("d" * 64, priority=9),
        "e": record("e" * 64, device="cuda", memory_gib=60),
        "f": record("f" * 64, device="auto"),
        "1": record("1" * 64, priority=1, device="cuda"),
    }
    broker.send(app, *sent.values())
    try:
        depths = {name: n for name, n in broker.queue_depths(app).items() if n}
        assert depths == {"cpu": 3, "cuda": 2, "cuda-16g": 1, "cuda-64g": 1}
        assert broker.queue_depth(app) == len(sent)
        queues = broker.queues_of(Offer({Device.CPU: 8, Device.CUDA: 16}))
        found: list[str] = []

        def take(body: Any, message: Any) -> None:
            found.append(body[0][0][0])
            message.ack()

        with app.connection_for_read() as connection, connection.channel() as channel:
            channel.basic_qos(0, 1, False)
            consumer = Consumer(channel, list(map(Queue, queues)), accept=["json"])
            consumer.register_callback(take)
            consumer.consume()
            while len(found) < len(sent) - 1:
                connection.drain_events(timeout=60)
        assert found == ["d", "c", "b", "a", "f", "1"]
        assert broker.queue_depths(app)["cuda-64g"] == broker.queue_depth(app) == 1
    finally:
        with app.connection_for_write() as connection:
            connection.default_channel.queue_purge("circuits.cuda-64g")
        app.close()


def test_a_placement_that_cannot_be_read_holds_up_no_other_job(settings: Settings) -> None:
    app = broker.make_app(settings)
    odd = record("b" * 64).model_copy(update={"placement": '{"colour": "red"}'})
    broker.send(app, record("a" * 64), odd, record("c" * 64))
    with app.connection_for_read() as connection, connection.channel() as channel:
        assert [taken(channel) for _ in range(3)] == ["a" * 64, "b" * 64, "c" * 64]
    app.close()


def taken(channel: Any) -> str:
    """The job id of the next message."""
    return json.loads(base64.b64decode(channel._get(broker.QUEUE)["body"]))[0][0]


def test_the_most_urgent_of_ten_levels_goes_first_and_among_equals_the_oldest(
    settings: Settings,
) -> None:
    app = broker.make_app(settings)
    sent = [f"{priority}{n:063}" for n, priority in enumerate([5, 4, 0, 9, 6, 1, 8, 3, 2, 7] * 2)]
    broker.send(app, *(record(job_id, priority=int(job_id[0])) for job_id in sent))
    with app.connection_for_read() as connection, connection.channel() as channel:
        found = [taken(channel) for _ in sent]
    app.close()
    assert found == sorted(sent, key=lambda job_id: (-int(job_id[0]), job_id))


def test_a_folder_is_not_listed_for_each_message_and_what_is_urgent_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings: list[float] = []

    def listed(folder: Path) -> list[str]:
        listings.append(time.monotonic())
        return os.listdir(folder)

    monkeypatch.setattr("workers.broker.folder.os", types.SimpleNamespace(listdir=listed))
    app = broker.make_app(Settings(home=tmp_path))
    sent = [f"{n:064}" for n in range(300)]
    broker.send(app, *map(record, sent))
    listings.clear()  # sending asks once how long the queue is
    with app.connection_for_read() as connection, connection.channel() as channel:
        assert [taken(channel) for _ in sent[:-1]] == sent[:-1]
        apart = [later - earlier for earlier, later in itertools.pairwise(listings)]
        assert all(each >= folder.LOOK_SECONDS for each in apart), apart
        broker.send(app, record("a" * 64, priority=6))
        time.sleep(folder.LOOK_SECONDS)
        assert taken(channel) == "a" * 64
    app.close()


def test_homes_with_odd_names_have_queues_of_their_own(tmp_path: Path) -> None:
    homes = [tmp_path / name for name in ("a #1", "a #2", "50%20?ü")]
    for home in homes:
        broker.make_app(Settings(home=home)).close()
    assert all((home / "broker" / "queue").is_dir() for home in homes)
    assert {path.name for path in tmp_path.iterdir()} == {home.name for home in homes}


def test_a_message_holds_the_id_and_nothing_executable(tmp_path: Path) -> None:
    app = broker.make_app(Settings(home=tmp_path))
    broker.send(app, record("a" * 64))
    (file,) = (tmp_path / "broker" / "queue").iterdir()
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    message = json.loads(file.read_text())
    assert message["content-type"] == "application/json"
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == (["a" * 64], {})
    app.close()


def test_a_folder_that_was_cleaned_up_is_made_again(tmp_path: Path) -> None:
    app = broker.make_app(Settings(home=tmp_path))
    shutil.rmtree(tmp_path / "broker")
    assert broker.queue_depth(app) == 0
    broker.send(app, record("a" * 64))
    assert broker.queue_depth(app) == 1
    assert stat.S_IMODE((tmp_path / "broker" / "queue").stat().st_mode) == 0o700
    app.close()


def test_what_is_no_message_is_dropped_and_the_rest_delivered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = broker.make_app(Settings(home=tmp_path))
    folder = tmp_path / "broker" / "queue"
    (folder / f"-0_torn.{broker.QUEUE}.msg").touch()
    (folder / f"-1_odd.{broker.QUEUE}.msg").write_bytes(b"\xff{")
    (folder / f"-2_folder.{broker.QUEUE}.msg").mkdir()
    (folder / f"2_unfinished.{broker.QUEUE}.part").write_bytes(b"{")
    broker.send(app, record("a" * 64))
    with app.connection_for_read() as connection, connection.SimpleQueue(broker.QUEUE) as queue:
        message = queue.get(timeout=120)
        assert message.payload[0] == ["a" * 64]
        message.ack()
    assert all(name in caplog.text for name in ("-0_torn", "-1_odd", "-2_folder"))
    left = {f"-2_folder.{broker.QUEUE}.taken", f"2_unfinished.{broker.QUEUE}.part"}
    assert {file.name for file in folder.iterdir()} == left
    app.close()


SENT = 300


def test_every_message_is_taken_whole_and_once(tmp_path: Path) -> None:
    """Two processes send while two threads take."""
    settings = Settings(home=tmp_path)
    senders = [
        subprocess.Popen([sys.executable, "-m", "tests.workers.many", tmp_path, letter, str(SENT)])
        for letter in "ab"
    ]
    app = broker.make_app(settings)

    def take() -> list[str]:
        with app.connection_for_read() as connection, connection.channel() as channel:
            mine: list[str] = []
            while True:
                done = all(sender.poll() is not None for sender in senders)
                try:
                    message = cast("Any", channel)._get(broker.QUEUE)
                    mine.append(json.loads(base64.b64decode(message["body"]))[0][0])
                except Empty:
                    if done:
                        return mine

    with ThreadPoolExecutor(2) as pool:
        taken = [
            job_id for taker in [pool.submit(take) for _ in range(2)] for job_id in taker.result()
        ]
    assert [sender.returncode for sender in senders] == [0, 0]
    assert sorted(taken) == [f"{letter}{n:063}" for letter in "ab" for n in range(SENT)]
    app.close()


def test_the_settings_are_the_measured_ones(tmp_path: Path) -> None:
    conf = broker.make_app(Settings(home=tmp_path)).conf
    assert conf.task_acks_late
    assert conf.task_ignore_result
    assert conf.result_backend is None
    assert not conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert conf.worker_pool_start_method == "spawn"
    assert conf.accept_content == ["json"]
    assert conf.task_time_limit > 0
    assert conf.broker_connection_max_retries is None


@pytest.mark.parametrize(
    "url",
    ["amqp://u:secret@host", "filesystem://relative", "filesystem://relative/folder", "nonsense"],
)
def test_an_unknown_broker_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(SpecError, match="of no kind we know") as refused:
        broker.make_app(Settings.model_validate({"home": tmp_path, "broker": url}))
    assert "secret" not in str(refused.value)


def test_a_broker_that_is_away_is_said_so(tmp_path: Path) -> None:
    away = Settings.model_validate(
        {"home": tmp_path, "broker": "redis://:secret@127.0.0.1:1/0", "graph": "bolt://x"}
    )
    app = broker.make_app(away)
    for act in (broker.queue_depth, lambda app: broker.send(app, record("a" * 64))):
        with pytest.raises(StoreUnavailable, match="cannot be reached") as error:
            act(app)
        assert "secret" not in str(error.value)
    app.close()


@pytest.mark.needs_redis
def test_redis_may_go_away_and_come_back(tmp_path: Path) -> None:
    with reserved_port() as port:
        with running_redis(tmp_path, port) as url:
            app = broker.make_app(
                Settings.model_validate(
                    {"home": tmp_path, "broker": url, "graph": "bolt://nowhere"}
                )
            )
            broker.send(app, record("a" * 64))
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                broker.queue_depth(app)
            with pytest.raises(StoreUnavailable):
                broker.send(app, record("b" * 64))
        with running_redis(tmp_path, port):
            assert broker.queue_depth(app) == 0
            broker.send(app, record("c" * 64))
            assert broker.queue_depth(app) == 1
            app.close()


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        (
            "redis://127.0.0.1:1/0?socket_timeout=1",
            SpecError,
            "'socket_timeout' .*ssl_cert_reqs",
        ),
        (
            "redis://me:123?hunter2=x@127.0.0.1:1/0",
            SpecError,
            r"'redis://\*\*\*@127.0.0.1:1/0' has a",
        ),
        ("redis://127.0.0.1:1/0?ssl=true", SpecError, "option 'ssl' that is not taken"),
        (f"redis://{'a' * 70}:1/0", SpecError, "cannot be read"),
        ("redis://a..b:1/0", SpecError, "cannot be read"),
        (" redis://127.0.0.1:1/0", SpecError, "cannot be read"),
        (
            "rediss://127.0.0.1:1/0?ssl_ca_data=a&ssl_ciphers=b",
            StoreUnavailable,
            "cannot be reached",
        ),
        ("filesystem:///tmp/a%00b", SpecError, "names no folder: embedded null byte"),
        ("filesystem:///etc/passwd", StoreUnavailable, "'/etc/passwd/queue' cannot be used"),
        ("filesystem:///proc/none", StoreUnavailable, "'/proc/none/queue' cannot be used"),
    ],
)
def test_a_broker_that_is_none_is_said_so(
    url: str, error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        broker.queue_depths(broker.make_app(Settings(home=tmp_path, broker=SecretStr(url))))
