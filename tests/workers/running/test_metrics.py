"""Figures of a worker for Prometheus: asked in time, whatever hangs, and of fixed labels."""

from __future__ import annotations

import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from prometheus_client.parser import text_string_to_metric_families

from graph_schema.processes import reserved_port
from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.servers.java import JavaServer
from tests.doors import graph_behind_a_door
from tests.workers.tiny import until, worker_settings
from workers.kinds import KINDS
from workers.running import metrics as served
from workers.running.metrics import Asked, Metrics, serving
from workers.running.words import Outcome, Teller, What, Word, hearing
from workers.settings import Settings

Figures = dict[tuple[str, ...], float]


def scraped(port: int) -> Figures:
    """What a worker answers: values by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def answered(ask: Callable[[], Figures]) -> Figures:
    """What is told once graph and broker have answered: a scrape waits for them for two seconds."""
    found: Figures = {}

    def both() -> bool:
        found.clear()
        found.update(ask())
        return found["circuits_up", "graph"] == found["circuits_up", "broker"] == 1

    until(both)
    return found


def at(settings: Settings, port: int) -> Settings:
    return settings.model_copy(update={"metrics_port": port})


def test_what_a_child_tells_is_counted(arcadedb: JavaServer, tmp_path: Path) -> None:
    with reserved_port() as port:
        settings = at(worker_settings(tmp_path, arcadedb.address), port)
        with GraphStore(arcadedb.address) as store:
            store.migrate()
        with serving(settings, lambda: {"cpu": 3}) as found:
            assert found is not None
            metrics, path = found
            tell = Teller(path)
            tell(Word(What.STARTED, "discover"))
            tell(Word(What.RENEWAL_FAILED, "discover"))
            tell(Word(What.ENDED, "discover", Outcome.SUCCEEDED, 7.0))
            tell(Word(What.ENDED, "<b>a user's</b>", Outcome.FAILED, 0.5))
            metrics.child_lost()
            ended = ("circuits_jobs_ended_total", "other", "failed")
            until(lambda: ended in scraped(port))
            found = answered(lambda: scraped(port))
        tell(Word(What.STARTED, "discover"))  # nobody hears, and nothing is raised
    assert found[ended] == 1
    assert found["circuits_jobs_started_total", "discover"] == 1
    assert found["circuits_jobs_ended_total", "discover", "succeeded"] == 1
    assert found["circuits_job_seconds_bucket", "discover", "5.0"] == 0
    assert found["circuits_job_seconds_bucket", "discover", "15.0"] == 1
    assert found["circuits_lease_renewals_failed_total",] == 1
    assert found["circuits_children_lost_total",] == 1
    assert found["circuits_queue_messages", "cpu"] == 3
    assert found["circuits_memory_bytes", "main"] > 2**20
    assert {("circuits_jobs", state) for state in ("queued", "failed")} < set(found)
    assert ("circuits_workers_live",) in found
    kinds = {labels[1] for labels in found if labels[0].startswith("circuits_jobs_ended")}
    assert kinds <= {*KINDS, "other"}


def test_a_database_that_hangs_hangs_no_scrape(arcadedb: JavaServer, tmp_path: Path) -> None:
    with graph_behind_a_door(arcadedb.address) as (address, way), reserved_port() as port:
        way.hang()
        settings = at(worker_settings(tmp_path, address), port)
        with serving(settings, lambda: {}):
            began = time.monotonic()
            found = [scraped(port) for _ in range(2)]
            assert time.monotonic() - began < 2 * served.WAIT_SECONDS + 10
        way.go_on()
    for each in found:
        assert (each["circuits_up", "graph"], each["circuits_up", "broker"]) == (0, 1)
        assert ("circuits_workers_live",) not in each


def test_an_answer_serves_for_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = 0, Event()

    def ask() -> int:
        nonlocal asked
        asked += 1
        go_on.wait()
        return asked

    question = Asked("a test", ask)
    monkeypatch.setattr(served, "FRESH_SECONDS", 3600.0)
    assert question.answer(0.01) is None
    assert question.answer(0.01) is None
    go_on.set()
    assert [question.answer(60.0), question.answer(60.0)] == [1, 1]
    monkeypatch.setattr(served, "FRESH_SECONDS", 0.0)
    assert question.answer(60.0) == 2


def test_a_question_that_fails_is_logged_and_has_no_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert Asked("the state", lambda: 1 / 0).answer(60.0) is None
    assert "the state cannot be told" in caplog.text


def test_a_port_that_is_taken_is_said_and_the_worker_goes_on(
    tmp_path: Path, arcadedb: JavaServer, caplog: pytest.LogCaptureFixture
) -> None:
    with reserved_port() as port:
        settings = at(worker_settings(tmp_path, arcadedb.address), port)
        with serving(settings, lambda: {}) as first, serving(settings, lambda: {}) as second:
            assert first is not None
            assert second is None
            assert scraped(port)["circuits_up", "broker"] == 1
    assert f"not served at 127.0.0.1 port {port}" in caplog.text
    assert "CIRCUITS_METRICS_PORT" in caplog.text


def test_torn_words_are_left_aside(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Word] = []
    with hearing(heard.append) as path:
        Teller(path)(Word("torn", "discover"))  # pyright: ignore[reportArgumentType]
        Teller(path)(Word(What.STARTED, "discover"))
        until(lambda: bool(heard))
    assert heard == [Word(What.STARTED, "discover")]
    assert "not counted" in caplog.text


def test_nothing_is_asked_before_somebody_scrapes(arcadedb: JavaServer) -> None:
    asked = Event()

    def depths() -> dict[str, int]:
        asked.set()
        return {}

    with GraphStore(arcadedb.address) as store:
        metrics = Metrics(store, depths)
        assert not asked.is_set()
        assert list(metrics.collect())
        assert asked.wait(60.0)


def test_a_worker_goes_on_where_its_child_has_no_place_to_tell_at(
    tmp_path: Path,
    arcadedb: JavaServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A socket's path may have a hundred characters or so."""
    far = tmp_path / ("far" * 40)
    far.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(far))
    with reserved_port() as port:
        settings = at(worker_settings(tmp_path, arcadedb.address), port)
        with serving(settings, lambda: {}) as found:
            assert found is None
    assert "metrics are not served" in caplog.text
    assert list(far.iterdir()) == []


def test_an_address_that_is_none_is_said_and_the_worker_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for address in ("nowhere.invalid", "a" * 70, "a..b"):
        settings = worker_settings(tmp_path, StoreAddress("bolt://127.0.0.1:1"))
        settings = settings.model_copy(update={"metrics_port": 9, "metrics_address": address})
        with serving(settings, lambda: {}) as found:
            assert found is None
        assert f"not served at {address} port 9" in caplog.text
