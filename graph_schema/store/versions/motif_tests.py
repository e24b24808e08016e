"""Version 6: a test of motifs is a node, with its results; what was counted twice is forgotten.

Each function does one piece in a transaction and says whether there is more to do: cut short
anywhere, it goes on where it was.
"""

from __future__ import annotations

import json
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import sha256_hex
from graph_schema.store.batches import Row, fetch, write_batches
from graph_schema.store.schema_lock import Held, Step

PIECE = 2_000

SCHEMA: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT motif_test_id IF NOT EXISTS FOR (n:MotifTest) REQUIRE n.test_id IS UNIQUE",
)

_WRITE_TEST: LiteralString = """
MERGE (t:MotifTest {test_id: $test.test_id}) SET t += $test
"""
_WRITE_CIRCUITS: LiteralString = """
MATCH (t:MotifTest {test_id: $test_id})
UNWIND $rows AS row
MATCH (c:Circuit {circuit_id: row})
MERGE (t)-[e:TESTED_IN]->(c)
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

_ONE_MOMENT: LiteralString = """
MATCH (:Circuit)-[t:TESTED]->(:Motif)
RETURN t.at AS at, t.seed AS seed LIMIT 1
"""
_OF_MOMENT: LiteralString = """
MATCH (c:Circuit)-[t:TESTED]->(m:Motif)
WHERE t.at = $at AND t.seed = $seed
RETURN c.circuit_id AS circuit_id, m.motif_id AS motif_id, m.name AS motif,
       t.null_model AS null, t.observed AS observed, t.null_mean AS null_mean,
       t.null_sd AS null_sd, t.draws AS draws, t.distinct AS distinct, t.exact AS exact, t.p AS p,
       t.p_max AS p_max, t.q AS q, t.state AS state, t.reason AS reason, t.stale AS stale
ORDER BY circuit_id, motif
"""
_DELETE_MOMENT: LiteralString = """
MATCH (:Circuit)-[t:TESTED]->(:Motif)
WHERE t.at = $at AND t.seed = $seed
DELETE t
"""
_SEARCHED: LiteralString = """
MATCH (:Circuit)-[:SEARCHED]->(m:Motif)
RETURN DISTINCT m.motif_id AS motif_id, m.document AS document ORDER BY motif_id
"""
_FORGET_OCCURRENCES: LiteralString = """
MATCH (o:Occurrence)-[:OF_MOTIF]->(:Motif {motif_id: $motif_id})
WITH o LIMIT $piece
DETACH DELETE o
RETURN count(*) AS forgotten
"""
_FORGET_SEARCHES: LiteralString = """
MATCH (:Circuit)-[s:SEARCHED]->(:Motif {motif_id: $motif_id})
DELETE s
"""


def gather_tests(tx: Transaction) -> bool:
    """Make a `MotifTest` of the results that an older release stored at one moment.

    They stood on `(Circuit)-[:TESTED]->(Motif)`, the last of each pair alone: what they were
    corrected with is not known in full, nor the alpha they were held to, which stays empty.
    Returns whether there were any.
    """
    found = fetch(tx, _ONE_MOMENT)
    if not found:
        return False
    moment = found[0]
    rows = fetch(tx, _OF_MOMENT, **moment)
    results = [{key: row[key] for key in row if key != "stale"} for row in rows]
    draws = max(result["draws"] for result in results)
    said = {"alpha": None, "draws": draws, "seed": moment["seed"], "results": results}
    test_id = sha256_hex(_spelled({"schema_version": 1, **said}))
    circuit_ids = list(dict.fromkeys(row["circuit_id"] for row in rows))
    properties: Row = {
        "test_id": test_id,
        "at": moment["at"],
        "draws": draws,
        "seed": moment["seed"],
        "null_models": sorted({row["null"] for row in rows}),
        "circuits": len(circuit_ids),
        "motifs": len({row["motif"] for row in rows}),
        "family": sum(row["state"] != "untestable" for row in rows),
        "called": sum(row["state"] == "called" for row in rows),
    }
    tx.run(_WRITE_TEST, test=properties).consume()
    write_batches(tx, _WRITE_CIRCUITS, circuit_ids, test_id=test_id)
    written = [_result_row(place, row) for place, row in enumerate(rows)]
    write_batches(tx, _WRITE_RESULTS, written, test_id=test_id)
    tx.run(_DELETE_MOMENT, moment).consume()
    return True


def forget_searches(tx: Transaction) -> bool:
    """Remove what was found of one motif whose occurrences may have been counted twice.

    Older releases took `a = b` and `b = a` for different demands, as they did rules that follow
    from others, and then wrote each image of an occurrence as one more. The next search stores them
    once. Returns whether there was anything to remove.
    """
    for row in fetch(tx, _SEARCHED):
        if not _counted_otherwise(row["document"]):
            continue
        own = {"motif_id": row["motif_id"]}
        if fetch(tx, _FORGET_OCCURRENCES, **own, piece=PIECE)[0]["forgotten"] == 0:
            tx.run(_FORGET_SEARCHES, own).consume()
        return True
    return False


def _counted_otherwise(document: str) -> bool:
    """Whether two variables may be alike by what the motif asks, and not by how it is written."""
    motif = json.loads(document)
    signs = [edge.get("sign") for edge in motif["edges"]]
    return bool(motif.get("depth")) or any(
        len(rule["edges"]) == 1 or any(signs[place] is not None for place in rule["edges"])
        for rule in motif.get("signs", ())
    )


def _result_row(place: int, row: Row) -> Row:
    elsewhere = {"motif_id", "motif", "null", "stale"}
    own: Row = {
        "null_model": row["null"],
        "position": place,
        "stale": bool(row["stale"]),
    }
    properties = {key: row[key] for key in row if key not in elsewhere}
    return {"motif_id": row["motif_id"], "properties": properties | own}


def _spelled(content: Row) -> str:
    """The text that a document's id was the hash of."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def make_tests(held: Held) -> None:
    """Every moment's results become one test."""
    while held.write(gather_tests):
        pass


def forget_doubles(held: Held) -> None:
    """What may have been counted twice is looked for again when somebody next asks."""
    while held.write(forget_searches):
        pass


VERSION_6: tuple[Step, ...] = (*SCHEMA, make_tests, forget_doubles)
