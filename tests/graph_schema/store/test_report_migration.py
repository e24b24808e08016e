"""Reports that stood on verdicts become nodes, on both servers.

`kept/graph_version_6.json` is what commit 240ef6f wrote of three universality jobs on made models,
of which the second judged the models of the first by another seed and took its verdicts over, and
of a verdict that no job judged.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import LiteralString

import pytest

from graph_schema.errors import NotFoundError
from graph_schema.store import migrations
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.reports import find_report, read_report
from graph_schema.store.records.verdicts import list_verdicts, read_verdict
from graph_schema.store.versions import reports as versions
from tests.graph_schema.store.kept_graphs import kept_graph, restore

TAKEN_OVER, LATER, OTHER = "2f254247be6b", "7449e3c0db0d", "29fca46cf42f"
"""The first digits of the ids of the kept graph's universality jobs."""

SET: LiteralString = "MATCH (s:Schema) SET s.version = $version"
REPORTS: LiteralString = """
MATCH (r:Report)-[:REPORTS]->(v:Verdict)
RETURN r.job_id AS job_id, r.models AS models, r.judged_at AS at, count(v) AS verdicts,
       max(v.judged_at) AS last
ORDER BY at
"""
EVERYTHING: LiteralString = (
    "MATCH (n) WHERE NOT n:Schema OPTIONAL MATCH (n)-[e]->() RETURN count(DISTINCT n) AS n, "
    "count(e) AS e, sum(size(keys(n))) AS p, sum(size(keys(e))) AS q"
)


@pytest.fixture
def old(store: GraphStore) -> Generator[GraphStore]:
    """The kept graph, in a database that says it is of its version."""
    kept = kept_graph(6)
    drop: LiteralString = "DROP CONSTRAINT report_job_id IF EXISTS"
    store.write(lambda tx: tx.run(drop).consume())
    restore(store, kept)
    store.write(lambda tx: tx.run(SET, version=kept["version"]).consume())
    yield store
    store.write(lambda tx: tx.run(SET, version=migrations.VERSION).consume())


def test_a_report_is_one_node_behind_its_verdicts(old: GraphStore) -> None:
    kept = {p["verdict_id"]: p for label, p in kept_graph(6)["nodes"] if label == "Verdict"}
    old.migrate()
    rows = old.rows(REPORTS)
    assert [(row["job_id"][:12], row["verdicts"]) for row in rows] == [(LATER, 3), (OTHER, 3)]
    assert all(row["at"] == row["last"] for row in rows)
    assert [row["models"] for row in rows] == [2, 2]
    assert old.rows("MATCH (v:Verdict) WHERE v.report IS NOT NULL RETURN v") == []
    assert len(list_verdicts(old)) == len(kept) == 7
    for own, properties in kept.items():
        assert read_verdict(old, own).model_dump_json() == properties["document"]
        if "report" in properties:
            found = find_report(old, own[:16])
            assert found.model_dump_json() == properties["report"]
            assert found == read_report(old, properties["job_id"])
        else:
            with pytest.raises(NotFoundError, match="was not judged by a universality job"):
                find_report(old, own)


def test_a_report_that_was_taken_over_is_said_to_be_lost(old: GraphStore) -> None:
    old.migrate()
    (job_id,) = (p["job_id"] for label, p in kept_graph(6)["nodes"]
                 if label == "Job" and p["job_id"].startswith(TAKEN_OVER))  # fmt: skip
    with pytest.raises(NotFoundError, match=rf"job {TAKEN_OVER}; .* --force"):
        read_report(old, job_id)


def test_a_migration_cut_short_goes_on_and_once_done_changes_nothing(
    old: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "VERDICTS_AT_A_TIME", 2)
    move, batches = versions.move_batch, 0

    def dies(*given: object) -> None:
        nonlocal batches
        batches += 1
        if batches == 3:
            raise KeyboardInterrupt
        move(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(versions, "move_batch", dies)
    with pytest.raises(KeyboardInterrupt):
        old.migrate()
    left = old.rows("MATCH (v:Verdict) WHERE v.report IS NOT NULL RETURN count(v) AS n")
    assert left == [{"n": 2}]
    old.migrate()
    assert [row["verdicts"] for row in old.rows(REPORTS)] == [3, 3]
    once = old.rows(EVERYTHING)
    old.write(lambda tx: tx.run(SET, version=6).consume())
    old.migrate()
    assert old.rows(EVERYTHING) == once
