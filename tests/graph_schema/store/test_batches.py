"""Many rows: in time that grows with their number, and never lost for a server's limit on time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import LiteralString

import pytest
from neo4j import Transaction
from neo4j.exceptions import ClientError

from graph_schema.documents import Channel, CircuitDocument, CircuitEdge, ScoreKind
from graph_schema.errors import StoreError
from graph_schema.store import batches
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.servers.embedded import start_embedded
from tests.factories import make_circuit, make_model
from tests.servers import START_SECONDS

FEATURES = make_model("made/features", d_mlp=10**6, n_edges=10**7)
TIMES = 3


def _star(number: int, n: int, score: float = 1.0) -> CircuitDocument:
    """`n` neurons nobody else has, each between the input and the logits: two hubs."""
    names = [f"m0.n{number * n + at}" for at in range(n)]
    ends = [("input", name) for name in names] + [(name, "logits") for name in names]
    edges = tuple(
        CircuitEdge(
            sender=sender,
            receiver=receiver,
            channel=Channel.R,
            score=score,
            score_kind=ScoreKind.ESTIMATE,
        )
        for sender, receiver in ends
    )
    return make_circuit(edges, model=FEATURES, job=f"star {number}")


def _write(store: GraphStore, circuit: CircuitDocument) -> None:
    store.write(lambda tx: write_circuit(tx, circuit))


def _least(act: Callable[[int], object]) -> float:
    """Seconds that it takes a machine that nobody else keeps busy: the least of some times."""
    found: list[float] = []
    for n in range(TIMES):
        start = time.monotonic()
        act(n)
        found.append(time.monotonic() - start)
    return min(found)


@pytest.mark.slow
def test_writing_takes_no_longer_where_more_is_stored(store: GraphStore) -> None:
    """Nor does writing a hub's edges again. Walks over a model's or a hub's list took minutes."""
    for number in range(2):
        _write(store, _star(number, 1_000))  # the server warms up
    few = _least(lambda n: _write(store, _star(2 + n, 1_000)))
    for number in range(5, 10):
        _write(store, _star(number, 1_000))
    many = _least(lambda n: _write(store, _star(10 + n, 1_000)))
    assert many < 3 * few + 1
    again = [_star(11, 1_000, score=2.0 + n) for n in range(TIMES)]
    assert _least(lambda n: _write(store, again[n])) < 3 * few + 1
    changed = again[-1]
    assert read_circuit(store, changed.circuit_id) == changed


class _TimedOut(ClientError):
    """As the embedded server says it: no transient error, by its class."""

    @property
    def code(self) -> str:
        return "Neo.ClientError.Transaction.TransactionTimedOut"

    @property
    def message(self) -> str:
        return str(self.args[0])


def test_what_is_ended_for_its_time_is_tried_in_smaller_batches(
    embedded_store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes 300 rows at most in its time: nothing is lost, and nothing is twice."""
    store, taken = embedded_store, list[int]()
    run = Transaction.run

    def slow(tx: Transaction, query: str, parameters: object = None, **more: object) -> object:
        given = parameters if isinstance(parameters, dict) else {}
        rows = len(given.get("rows", ()))
        taken.append(rows)
        if rows > 300:
            raise _TimedOut("Command execution exceeded the server's limit")
        return run(tx, query, given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Transaction, "run", slow)
    circuit = _star(0, 800)
    _write(store, circuit)
    assert read_circuit(store, circuit.circuit_id) == circuit
    assert max(taken) == 802
    assert max(rows for rows in taken if rows <= 300) in range(150, 301)


def test_what_no_batch_is_small_enough_for_is_an_error_of_ours(
    embedded_store: GraphStore,
) -> None:
    sizes: list[int] = []

    def work(tx: Transaction) -> None:
        for batch in batches.batched(range(10_000)):
            sizes.append(len(batch))
            raise _TimedOut("never enough")

    with pytest.raises(StoreError, match=r"never enough.*TransactionTimedOut"):
        embedded_store.write(work)
    assert sizes == [2000, 1000, 500, 250, 125, 62, 50]


def test_what_writes_no_batches_is_not_tried_again(embedded_store: GraphStore) -> None:
    tries = 0

    def work(tx: Transaction) -> None:
        nonlocal tries
        tries += 1
        raise _TimedOut("once")

    with pytest.raises(StoreError, match="once"):
        embedded_store.write(work)
    assert tries == 1


@pytest.mark.slow
def test_the_server_itself_ends_what_takes_too_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows that take long: a full batch is over the limit of five seconds, a small one under it."""
    caplog.set_level(logging.WARNING)
    server = start_embedded(
        tmp_path / "hasty", heap_megabytes=512, command_seconds=5.0, seconds=START_SECONDS
    )
    try:
        with GraphStore(server.address, patience=60.0) as store:
            store.migrate()
            size, seconds = 1_000, 0.0
            while seconds < 0.2:  # twenty rows, so that 2,000 take twenty seconds
                size *= 2
                seconds = _least(lambda _, s=size: store.write(lambda tx: _slow(tx, 20, s)))
            store.write(lambda tx: _slow(tx, 2_000, size))
            assert store.rows("MATCH (t:Task) RETURN count(t) AS n") == [{"n": 2_000}]
            assert "ended for its time, again with 1000 rows a statement" in caplog.text
    finally:
        server.stop(1.0)


def _slow(tx: Transaction, n: int, size: int) -> None:
    statement: LiteralString = """
    UNWIND $rows AS row
    UNWIND range(1, $size) AS x WITH row, sum(x % 7) AS s
    MERGE (t:Task {task_id: toString(row)}) SET t.s = s
    RETURN count(t) AS written
    """
    batches.write_batches(tx, statement, range(n), size=size)
