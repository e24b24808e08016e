"""What the compiler writes; that servers find the same is in tests/graph_schema/store."""

from __future__ import annotations

import re

from hypothesis import given, settings

from graph_schema.documents import Motif
from graph_schema.motifs import compile_motif, find_motif, parse_motif
from tests.graph_schema.motifs.made import motifs

CLAUSES = {
    "MATCH",
    "WHERE",
    "any",
    "AND",
    "NOT",
    "EXISTS",
    "IN",
    "RETURN",
    "DISTINCT",
    "AS",
    "ORDER",
    "BY",
}
LABELS = {"Circuit", "CircuitNode", "CONTAINS", "EDGE"}
PROPERTIES = {"circuit_id", "role", "roles", "kind", "channel", "score", "depth", "name", "sign"}


@settings(max_examples=100, deadline=None)
@given(motifs())
def test_statements_are_made_of_our_own_words_only(motif: Motif) -> None:
    compiled = compile_motif(motif)
    words = set(re.findall(r"[A-Za-z_]\w*", compiled.statement))
    others = words - CLAUSES - LABELS - PROPERTIES
    assert all(re.fullmatch(r"(?:[nev]|roles|kinds|channels)\d", word) for word in others)
    wanted = set(re.findall(r"\$(\w+)", compiled.statement))
    assert wanted == set(compiled.parameters("abc"))


def test_a_users_words_stay_out_of_the_statement() -> None:
    motif = parse_motif("name: danger\nnodes: {delete: {}, merge: {}}\nedges: [delete -> merge]")
    statement = compile_motif(motif).statement
    assert not re.search("danger|delete|merge", statement)


def test_induction_reads_as_a_person_would_write_it() -> None:
    compiled = compile_motif(find_motif("induction"))
    assert compiled.statement == (
        "MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n0:CircuitNode)\n"
        "MATCH (n0:CircuitNode)-[e0:EDGE]->(n1:CircuitNode), "
        "(n1:CircuitNode)-[e1:EDGE]->(n2:CircuitNode)\n"
        "WHERE any(role IN n0.roles WHERE role IN $roles0) "
        "AND any(role IN n1.roles WHERE role IN $roles1) AND n2.kind IN $kinds2 "
        "AND e0.channel IN $channels0 "
        "AND n0.name <> n1.name AND n0.name <> n2.name AND n1.name <> n2.name\n"
        "RETURN DISTINCT n0.name AS v0, n1.name AS v1, n2.name AS v2\n"
        "ORDER BY v0, v1, v2"
    )
    assert compiled.parameters("c1") == {
        "circuit_id": "c1",
        "roles0": ["previous_token"],
        "roles1": ["induction"],
        "kinds2": ["logits"],
        "channels0": ["k"],
    }


def test_rows_are_read_by_column_or_by_place() -> None:
    compiled = compile_motif(find_motif("q_composition"))
    expected = {"first": "a0.h0", "second": "a1.h0"}
    assert compiled.binding({"v0": "a0.h0", "v1": "a1.h0"}) == expected
    assert compiled.binding(["a0.h0", "a1.h0"]) == expected
    assert compiled.occurrence(["a0.h0", "a1.h0"], "c1").circuit_id == "c1"


def test_a_statement_can_be_written_out_with_its_values() -> None:
    text = compile_motif(find_motif("induction")).written_out("c1")
    assert "$" not in text
    assert '{circuit_id: "c1"}' in text
    assert 'role IN ["previous_token"]' in text
    assert 'e0.channel IN ["k"]' in text
