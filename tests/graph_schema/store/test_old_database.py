"""A database as an earlier release left it opens, migrates and answers, on both servers.

`kept/graph_version_4.json` is all that commit e3fbf6e wrote of the made world of that day, and of a
model of which one head passes two roles.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any, LiteralString

import pytest

from graph_schema.documents import AblationSpec, RoleName, sha256_hex
from graph_schema.documents.jobs import read_spec
from graph_schema.errors import StoreError, StoreVersionError
from graph_schema.motif_search import store_occurrences
from graph_schema.motifs import find_motif
from graph_schema.store import jobs, migrations
from graph_schema.store.connection import GraphStore
from graph_schema.store.questions.ask import ask
from graph_schema.store.records.alignments import read_alignments
from graph_schema.store.records.annotations import read_annotations
from graph_schema.store.records.circuit_list import list_circuits
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.datasets import read_dataset
from graph_schema.store.records.evaluations import read_evaluations
from graph_schema.store.records.models import find_model
from graph_schema.store.records.motif_tests import list_motif_tests, read_motif_test
from graph_schema.store.records.motifs import read_motifs, read_occurrences
from graph_schema.store.records.node_roles import read_node_roles
from graph_schema.store.records.role_graphs import read_role_graph
from graph_schema.store.records.role_tests import read_role_tests, write_roles
from graph_schema.store.records.runs import run_of_circuit
from graph_schema.store.records.verdicts import read_verdict
from graph_schema.store.user_cypher.run import run_user_query
from tests.factories import INDUCTION_EDGES, make_circuit, make_dataset, make_imported, make_model
from tests.findings import motif_test, roles_played
from tests.graph_schema.store.kept_graphs import kept_graph, restore

TWO_ROLES = make_circuit(model=make_model("gpt2/two roles"), job="two roles")


@pytest.fixture
def old(store: GraphStore) -> Generator[GraphStore]:
    """The kept graph, in a database that says it is of its version."""
    kept = kept_graph(4)
    for drop in ("DROP CONSTRAINT role_test_id IF EXISTS", "DROP INDEX role_test_model IF EXISTS"):
        store.write(lambda tx, drop=drop: tx.run(drop).consume())
    restore(store, kept)
    version: LiteralString = "MATCH (s:Schema) SET s.version = $version"
    store.write(lambda tx: tx.run(version, version=kept["version"]).consume())
    yield store
    store.write(lambda tx: tx.run(version, version=migrations.VERSION).consume())


def test_it_migrates_and_answers(old: GraphStore) -> None:
    old.migrate()
    assert old.rows("MATCH (s:Schema) RETURN s.version AS v") == [{"v": migrations.VERSION}]
    circuits = list_circuits(old)
    assert len(circuits) == 7
    assert all(read_circuit(old, each.circuit_id).circuit_id for each in circuits)
    assert read_circuit(old, TWO_ROLES.circuit_id) == TWO_ROLES
    assert read_circuit(old, make_imported().circuit_id) == make_imported()
    assert read_dataset(old, make_dataset().sha256) == make_dataset()
    (g1,) = [c for c in circuits if (c.model, c.task) == ("gpt2/one", "induction")]
    assert len(read_evaluations(old, g1.circuit_id)) == 1
    assert len(read_annotations(old, g1.circuit_id)) == 1
    assert {motif.name for motif in read_motifs(old)} >= {"induction", "k_composition"}
    assert {row[0] for row in ask(old, "counts-by-family").rows} == {"induction", "k_composition"}
    answer = ask(old, "induction-in-models")
    by_model = {row[1]: row[2:] for row in answer.rows}
    assert by_model["gpt2/one"] == (2, 2, 1, 1)
    assert by_model["llama/one"] == (1, 1, 1, 2)
    assert by_model["gpt2/two roles"] == (1, 1, 1, 1)
    assert by_model["neox/one"] == (1, 0, 0, 0)
    parts = ask(old, "same-part", {"model": "gpt2/one", "component": "a1.h2"}).rows
    assert {row[3] for row in parts} == {"gpt2/two", "llama/one", "gpt2/two roles"}
    typed = run_user_query(old, "MATCH (n:CircuitNode) WHERE 'induction' IN n.roles RETURN n.name")
    assert len(typed.rows) == 5
    left = old.rows("MATCH (n:CircuitNode) WHERE n.role IS NOT NULL OR n.roles IS NULL RETURN n")
    assert left == []
    apart = "MATCH (c:Circuit)-[:HAS_DOCUMENT]->(:CircuitDocument) WHERE c.document IS NULL RETURN "
    assert old.rows(apart + "count(DISTINCT c) AS n") == [{"n": 7}]


def _documents_are_read(old: GraphStore) -> None:
    """Whatever the last release wrote as a document, this code reads through its own readers."""
    texts: dict[str, LiteralString] = {
        "model": "MATCH (n:Model) RETURN n.fingerprint AS id",
        "circuit": "MATCH (n:Circuit) RETURN n.circuit_id AS id",
        "graph": "MATCH (n:RoleGraph) RETURN n.role_graph_id AS id",
        "job": "MATCH (n:Job) RETURN n.job_id AS id",
    }
    ids = {label: [row["id"] for row in old.rows(text)] for label, text in texts.items()}
    assert [len(found) for found in ids.values()] == [7, 7, 2, 1]
    assert all(find_model(old, each).fingerprint == each for each in ids["model"])
    assert all(read_role_graph(old, each).role_graph_id == each for each in ids["graph"])
    assert all(read_spec(jobs.get(old, each).spec).job_id == each for each in ids["job"])
    assert sum(len(read_alignments(old, each)) for each in ids["circuit"]) == 2 * 3
    assert sum(run_of_circuit(old, each) is not None for each in ids["circuit"]) == 6


def _verdicts_are_read_but_for_those_that_say_what_cannot_be(old: GraphStore) -> None:
    """It took a strong verdict of one model, and tallies that are not those of the states."""
    verdicts = old.rows("MATCH (v:Verdict) RETURN v.verdict_id AS id, v.outcome AS outcome")
    assert len(verdicts) == 5
    for own, outcome in ((row["id"], row["outcome"]) for row in verdicts):
        if outcome != "strong":
            assert read_verdict(old, own).verdict_id == own
            continue
        with pytest.raises(StoreError, match=f"verdict {own} is not stored as a Verdict should"):
            read_verdict(old, own)
    assert sum(row["outcome"] == "strong" for row in verdicts) == 2


def _motif_test_is_a_test_of_its_own(old: GraphStore, at: int) -> None:
    """It stood on `TESTED`, without what it was held to; nothing it found is stale."""
    tested: LiteralString = "MATCH ()-[t:TESTED]->() RETURN count(t) AS n"
    assert old.rows(tested) == [{"n": 0}]
    (listed,) = list_motif_tests(old)
    assert (listed.at, listed.alpha, listed.stale) == (at, None, ())
    summary, test = read_motif_test(old, listed.test_id)
    assert (summary, test.test_id) == (listed, listed.test_id)
    (result,) = motif_test(test.circuit_ids[0]).results
    assert test.results == (result,)
    assert list_motif_tests(old, result.circuit_id) == (listed,)


def test_all_it_holds_is_read_by_our_own_readers(old: GraphStore) -> None:
    (tested,) = old.rows("MATCH ()-[t:TESTED]->() RETURN t.at AS at")
    old.migrate()
    _documents_are_read(old)
    _verdicts_are_read_but_for_those_that_say_what_cannot_be(old)
    _motif_test_is_a_test_of_its_own(old, tested["at"])


def test_roles_are_as_they_were_tested(old: GraphStore) -> None:
    old.migrate()
    both = (RoleName.COPY_SUPPRESSION, RoleName.INDUCTION)
    roles = {"a0.h1": (RoleName.PREVIOUS_TOKEN,), "a1.h2": both}
    assert read_node_roles(old, TWO_ROLES.circuit_id) == roles
    model = make_model("gpt2/one")
    played = roles_played(model)
    assert read_role_tests(old, model.fingerprint, sha256_hex("induction")) == (played,)
    assert played.ablation == AblationSpec()
    assert len(read_role_tests(old, model.fingerprint, sha256_hex("ioi"))) == 1
    # Made again it takes its own place, and a circuit written again keeps its roles.
    old.write(lambda tx: write_roles(tx, played))
    assert read_role_tests(old, model.fingerprint, sha256_hex("induction")) == (played,)
    old.write(lambda tx: write_circuit(tx, TWO_ROLES))
    assert read_node_roles(old, TWO_ROLES.circuit_id) == roles


def test_what_read_one_role_where_there_are_two_is_stale(old: GraphStore) -> None:
    """The last release did not find induction where the head's other role was stronger."""
    own = TWO_ROLES.circuit_id
    before = old.rows(
        "MATCH (:Circuit {circuit_id: $id})-[s:SEARCHED]->(m) RETURN m.name AS m, s.occurrences "
        "AS n ORDER BY m",
        id=own,
    )
    assert before == [{"m": "coherent_feed_forward_loop", "n": 1}, {"m": "induction", "n": 0}]
    old.migrate()
    stale = old.rows(
        "MATCH (c:Circuit)-[s:SEARCHED|TESTED]->(m) WHERE s.stale RETURN c.circuit_id AS id, "
        "m.name AS m"
    )
    assert stale == [{"id": own, "m": "induction"}]
    assert store_occurrences(old, find_motif("induction"), own).total == 1
    assert len(read_occurrences(old, own)) == 2


def test_migrating_twice_changes_nothing(old: GraphStore) -> None:
    """As after a process that died before it could say that it was done."""
    old.migrate()
    everything: LiteralString = (
        "MATCH (n) WHERE NOT n:Schema OPTIONAL MATCH (n)-[e]->() "
        "RETURN count(DISTINCT n) AS n, count(e) AS e, sum(size(keys(n))) AS p, "
        "sum(size(keys(e))) AS q"
    )
    once = old.rows(everything)
    for version in (4, 5, 6):
        again: LiteralString = "MATCH (s:Schema) SET s.version = $version"
        old.write(lambda tx, again=again, v=version: tx.run(again, version=v).consume())
        old.migrate()
        assert old.rows(everything) == once


CHANGES: list[tuple[LiteralString, Any, type[Exception], str]] = [
    ("schema_version", 7, StoreVersionError, "version 7, this code reads version 1"),
    ("method", 3, StoreError, "should be: method"),
]


@pytest.mark.parametrize(("field", "value", "error", "said"), CHANGES)
def test_a_document_that_is_not_ours_is_named(
    store: GraphStore, field: str, value: Any, error: type[Exception], said: str
) -> None:
    circuit = make_circuit(INDUCTION_EDGES)
    store.write(lambda tx: write_circuit(tx, circuit))
    whole = json.loads(circuit.model_dump_json(exclude={"edges"})) | {field: value}
    change: LiteralString = "MATCH (d:CircuitDocument) SET d.document = $document"
    store.write(lambda tx: tx.run(change, document=json.dumps(whole)).consume())
    with pytest.raises(error, match=f"circuit {circuit.circuit_id}.*{said}"):
        read_circuit(store, circuit.circuit_id)
