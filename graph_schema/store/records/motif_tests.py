"""Tests of motifs in the graph: each a node of its own, its results hanging on it.

The id of a test is the hash of what was asked and of what came out, so a test is written once, and
a weaker one that follows stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import Motif, MotifResult, MotifState, MotifTest, MotifTestSummary
from graph_schema.errors import NotFoundError
from graph_schema.printable import quoted
from graph_schema.store.batches import Row, fetch, write_batches, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.motifs import write_motif

SHOWN_MATCHES = 5

_STORED: LiteralString = "MATCH (t:MotifTest {test_id: $test_id}) RETURN t.test_id AS id"
_WRITE_TEST: LiteralString = """
MERGE (t:MotifTest {test_id: $test.test_id})
SET t += $test, t.at = coalesce($at, timestamp())
RETURN count(t) AS written
"""
_WRITE_CIRCUITS: LiteralString = """
MATCH (t:MotifTest {test_id: $test_id})
UNWIND $rows AS row
MATCH (c:Circuit {circuit_id: row})
CREATE (t)-[e:TESTED_IN]->(c)
RETURN count(e) AS written
"""
_WRITE_RESULTS: LiteralString = """
MATCH (t:MotifTest {test_id: $test_id})
UNWIND $rows AS row
MATCH (m:Motif {motif_id: row.motif_id})
CREATE (t)-[r:RESULT]->(m)
SET r = row.properties
RETURN count(r) AS written
"""
_FIND: LiteralString = """
MATCH (t:MotifTest) WHERE t.test_id STARTS WITH $prefix
RETURN t.test_id AS test_id ORDER BY test_id LIMIT $limit
"""
_SUMMARY: LiteralString = """
OPTIONAL MATCH (t)-[:RESULT {stale: true}]->(m:Motif)
WITH t, m ORDER BY m.name
WITH t, collect(DISTINCT m.name) AS stale
RETURN t.test_id AS test_id, t.at AS at, t.alpha AS alpha, t.draws AS draws, t.seed AS seed,
       coalesce(t.without, []) AS without, t.null_models AS null, t.circuits AS circuits,
       t.motifs AS motifs, t.family AS family, t.called AS called, stale
ORDER BY at DESC, test_id
"""
_READ_ONE: LiteralString = "MATCH (t:MotifTest {test_id: $test_id})" + _SUMMARY
_READ_ALL: LiteralString = "MATCH (t:MotifTest)" + _SUMMARY
_READ_OF_CIRCUIT: LiteralString = (
    "MATCH (:Circuit {circuit_id: $circuit_id})<-[:TESTED_IN]-(t:MotifTest)" + _SUMMARY
)
_READ_RESULTS: LiteralString = """
MATCH (:MotifTest {test_id: $test_id})-[r:RESULT]->(m:Motif)
RETURN r.circuit_id AS circuit_id, m.motif_id AS motif_id, m.name AS motif, r.null_model AS null,
       r.observed AS observed, r.null_mean AS null_mean, r.null_sd AS null_sd, r.draws AS draws,
       r.distinct AS distinct, r.exact AS exact, r.p AS p, r.p_max AS p_max, r.q AS q,
       r.state AS state, r.reason AS reason
ORDER BY r.position
"""


def write_motif_test(tx: Transaction, motifs: Sequence[Motif], test: MotifTest) -> None:
    """Write a test and its results; `motifs` are those it was of."""
    for motif in motifs:
        write_motif(tx, motif)
    write_results(tx, test)


def write_results(tx: Transaction, test: MotifTest, at: int | None = None) -> None:
    """Write a test of motifs that are stored, with the time it was made if that was not now."""
    test_id = test.test_id
    if fetch(tx, _STORED, test_id=test_id):
        return
    properties: Row = {
        "test_id": test_id,
        "alpha": test.alpha,
        "draws": test.draws,
        "seed": test.seed,
        "without": [kind.value for kind in test.without],
        "null_models": [null.value for null in test.null],
        "circuits": len(test.circuit_ids),
        "motifs": len(test.motifs),
        "family": test.family,
        "called": sum(result.state is MotifState.CALLED for result in test.results),
    }
    write_rows(tx, _WRITE_TEST, test=properties, at=at, expected=1)
    write_batches(tx, _WRITE_CIRCUITS, test.circuit_ids, test_id=test_id)
    results = (_result_row(place, each) for place, each in enumerate(test.results))
    write_batches(tx, _WRITE_RESULTS, results, test_id=test_id)


def list_motif_tests(
    store: GraphStore, circuit_id: str | None = None
) -> tuple[MotifTestSummary, ...]:
    """The stored tests, of all circuits or of one, the newest first."""
    if circuit_id is None:
        rows = store.rows(_READ_ALL)
    else:
        rows = store.rows(_READ_OF_CIRCUIT, circuit_id=circuit_id)
    return tuple(MotifTestSummary.model_validate(row) for row in rows)


def read_motif_test(store: GraphStore, test_id: str) -> tuple[MotifTestSummary, MotifTest]:
    """The test with this id, or the only one whose id starts so.

    Raises:
        NotFoundError: None, or several; the message names them.
    """

    def work(tx: Transaction) -> tuple[MotifTestSummary, MotifTest]:
        own = {"test_id": _resolve(tx, test_id)}
        summary = MotifTestSummary.model_validate(fetch(tx, _READ_ONE, **own)[0])
        results = tuple(MotifResult.model_validate(row) for row in fetch(tx, _READ_RESULTS, **own))
        asked = {name: getattr(summary, name) for name in ("alpha", "draws", "seed", "without")}
        test = MotifTest(**asked, results=results)
        return summary, test

    return store.read(work)


def _resolve(tx: Transaction, prefix: str) -> str:
    rows = fetch(tx, _FIND, prefix=prefix, limit=SHOWN_MATCHES + 1) if prefix else []
    found = [str(row["test_id"]) for row in rows]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFoundError(
            f"no motif test has id {quoted(prefix)}; `circuits motifs tests` shows the ids"
        )
    shown = ", ".join(found[:SHOWN_MATCHES]) + (", …" if len(found) > SHOWN_MATCHES else "")
    raise NotFoundError(f"motif test {prefix!r} is ambiguous; give more digits of one of: {shown}")


def _result_row(place: int, result: MotifResult) -> Row:
    properties = result.model_dump(mode="json", exclude={"motif_id", "motif", "null"})
    own: Row = {"null_model": result.null.value, "position": place, "stale": False}
    return {"motif_id": result.motif_id, "properties": properties | own}
