"""Many requests at once: every job once, on its way, whatever happens in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from graph_schema.documents.jobs import ErrorDocument, JobState, Need
from graph_schema.errors import SpecError, StoreUnavailable
from graph_schema.processes import reserved_port
from graph_schema.store import jobs
from tests.servers import running_redis
from tests.workers.broker.test_app import record
from tests.workers.world import World
from workers import broker
from workers.client import CircuitClient
from workers.client.watch import Watch
from workers.requests.discover import DiscoverRequest
from workers.running.reconcile import Reconciler
from workers.settings import Settings


def requests(world: World, n: int, first_seed: int) -> list[DiscoverRequest]:
    asked = DiscoverRequest(
        model=str(world.model), dataset=world.pairs, method="eap", n_edges=20, seed=0
    )
    return [replace(asked, seed=first_seed + number) for number in range(n)]


def _settings(home: Path, broker_url: str) -> Settings:
    given = {"home": home, "broker": broker_url, "graph": "bolt://nowhere"}
    return Settings.model_validate(given)


def test_many_are_checked_then_stored_and_sent_once(
    client: CircuitClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.client.submitting.AT_ONCE", 4)
    asked = requests(world, 10, 500)
    with pytest.raises(SpecError):
        client.submit_many([*asked, replace(asked[0], n_edges=-1)])
    before = broker.queue_depth(client.service.app)
    assert not {job.record.state for job in client.jobs(limit=10)} - {JobState.CANCELLED}

    made = client.submit_many([*asked, asked[3]])
    assert [job.job_id for job in made] == [job.job_id for job in [*made[:10], made[3]]]
    assert len({job.job_id for job in made}) == 10
    assert {job.state for job in made} == {JobState.QUEUED}
    assert broker.queue_depth(client.service.app) == before + 10
    assert client.submit_many(asked)[5].job_id == made[5].job_id
    assert client.submit_many([]) == []
    assert broker.queue_depth(client.service.app) == before + 10

    made[2].cancel()
    assert client.submit_many(asked[2:4])[0].state is JobState.QUEUED, "it is tried again"
    for job in made[:10]:
        job.cancel()


def test_what_one_of_several_met_is_said_and_not_that_nobody_works(
    client: CircuitClient,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("workers.client.watch.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("workers.client.watch.QUIET_SECONDS", 0.0)
    made, store = client.submit_many(requests(world, 3, 800)), client.service.store
    full = ErrorDocument(type="ResourceError", message="no room")
    for job in made[:2]:
        assert jobs.claim(store, job.job_id, "t", owner="a", lease=600, max_attempts=3)
        jobs.put_off(store, job.job_id, "t", full, jobs.Patience())
    watch = Watch(client)
    for _ in range(3):
        watch.look(among=[job.refresh().record for job in made])
    needs = (Need(job_id=made[1].job_id),)
    Watch(client).look(made[2].record.model_copy(update={"needs": needs}))
    assert len(caplog.messages) == 2, "once for all, and to who waits for what needs one"
    assert all("(1 try): ResourceError: no room" in said for said in caplog.messages)
    for job in made:
        job.cancel()


def test_what_a_client_stored_before_it_died_is_sent(
    client: CircuitClient, world: World, tmp_path: Path
) -> None:
    service = client.service
    submitted = [client.submit_many([each])[0] for each in requests(world, 1, 600)]
    asked = [job._submission for job in submitted]
    more = [
        replace(each, spec=each.spec.model_copy(update={"seed": 700 + n}))
        for n in range(5)
        for each in asked
        if each
    ]
    left = service.submit_many(more, send=False)
    settings = world.settings.model_copy(update={"home": tmp_path, "resend_seconds": 0.001})
    app = broker.make_app(settings)
    Reconciler(settings, service.store, app, "me").once()
    assert broker.queue_depth(app) >= len(left)
    app.close()
    for job in left:
        service.cancel(job.job_id)
    submitted[0].cancel()


@pytest.mark.needs_redis
def test_a_sender_keeps_its_connection_and_takes_another_after_an_outage(tmp_path: Path) -> None:
    with reserved_port() as port:
        with running_redis(tmp_path, port) as url:
            app = broker.make_app(_settings(tmp_path, url))
            sender = broker.Sender(app)
            with app.connection_for_write() as connection:
                redis = connection.default_channel.client
                before = redis.info()["total_connections_received"]
                for number in range(20):
                    sender.reach()
                    sender.send(record(f"{number:064}"))
                assert redis.info()["total_connections_received"] - before <= 2
            assert broker.queue_depth(app) == 20
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                sender.reach()
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                sender.send(record("b" * 64))
        with running_redis(tmp_path, port):
            sender.send(record("c" * 64))
            assert broker.queue_depth(app) == 1
        with running_redis(tmp_path, port):  # it went and came back between two messages
            sender.send(record("d" * 64))
            assert broker.queue_depth(app) == 1
        sender.close()
        app.close()


def test_a_queue_folder_that_cannot_be_used_is_said_before_anything_is_stored(
    tmp_path: Path,
) -> None:
    app = broker.make_app(Settings.model_validate({"home": tmp_path}))
    sender = broker.Sender(app)
    sender.reach()
    (tmp_path / "broker" / "queue").rmdir()
    (tmp_path / "broker" / "queue").touch()
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        sender.reach()
    sender.close()
    app.close()
