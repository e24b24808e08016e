"""Findings come back from both servers as they were written; writing twice equals once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import pytest
from neo4j import Transaction

from graph_schema.documents import (
    CircuitDocument,
    Occurrence,
    Outcome,
    Rung,
)
from graph_schema.errors import NotFoundError
from graph_schema.motifs import find_motif
from graph_schema.store.connection import GraphStore
from graph_schema.store.records import findings
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.motifs import (
    read_motifs,
    read_occurrences,
    write_motif,
    write_occurrences,
)
from tests.factories import make_circuit
from tests.findings import (
    FOUR,
    alignment,
    annotation,
    finding,
    role_graph,
    roles_played,
    verdict,
)
from tests.graph_schema.store.records.test_circuits import COUNTS

INDUCTION = find_motif("induction")


def _twice(store: GraphStore, work: Callable[[Transaction], None]) -> None:
    store.write(work)
    once = store.rows(COUNTS)
    store.write(work)
    assert store.rows(COUNTS) == once


def _circuit(store: GraphStore, **changes: object) -> CircuitDocument:
    circuit = make_circuit(**changes)  # type: ignore[arg-type]
    store.write(lambda tx: write_circuit(tx, circuit))
    return circuit


def test_a_role_graph_survives_and_is_updated(store: GraphStore) -> None:
    graph = role_graph()
    _twice(store, lambda tx: findings.write_role_graph(tx, graph))
    assert findings.read_role_graph(store, graph.role_graph_id) == graph
    again = role_graph(share=0.25)
    _twice(store, lambda tx: findings.write_role_graph(tx, again))
    assert findings.read_role_graph(store, graph.role_graph_id) == again
    carried = "MATCH ()-[e:CARRIES {channel: 'k'}]->() RETURN e.share AS s, e.controls AS c"
    assert store.rows(carried) == [{"s": 0.25, "c": ["wrong_position", "v"]}]


def test_an_alignment_is_one_whichever_way_round(store: GraphStore) -> None:
    one, two = (_circuit(store, job=job).circuit_id for job in ("one", "two"))
    _twice(store, lambda tx: findings.write_alignment(tx, alignment(one, two, 0.5)))
    store.write(lambda tx: findings.write_alignment(tx, alignment(two, one, 0.75)))
    assert findings.read_alignments(store, one) == (alignment(one, two, 0.75),)
    assert findings.read_alignments(store, two) == (alignment(two, one, 0.75),)


FORGET = """
MATCH (n) WHERE n:Role OR n:RoleGraph OR n:RoleNode OR n:Occurrence OR n:Verdict DETACH DELETE n
"""


def _models(store: GraphStore) -> None:
    for model, _ in FOUR:
        _circuit(store, model=model, job=model.name)
    store.write(lambda tx: write_motif(tx, INDUCTION))


FOUND = """
MATCH (v:Verdict)-[e:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN]->(m:Model)
RETURN type(e) AS side, m.name AS model, e.reason AS reason, e.wiring AS wiring ORDER BY model
"""


def test_a_verdict_survives_and_says_which_models_are_for_and_against(store: GraphStore) -> None:
    _models(store)
    judged = verdict()
    _twice(store, lambda tx: findings.write_verdict(tx, judged))
    assert findings.read_verdict(store, judged.verdict_id) == judged
    assert [tuple(row.values()) for row in store.rows(FOUND)] == [
        ("SUPPORTED_BY", "gpt2/one", "role is present", "present"),
        ("SUPPORTED_BY", "gpt2/two", "role is present", "absent"),
        ("CONTRADICTED_BY", "llama/one", "role is absent", "absent"),
        ("UNDECIDED_IN", "neox/one", "role is untestable", "untestable"),
    ]
    changed = [finding(model, "ppp") for model, _ in FOUR[:3]] + [finding(FOUR[3][0], "auu")]
    again = judged.model_copy(update={"models": tuple(changed), "outcome": Outcome.UNDECIDED})
    store.write(lambda tx: findings.write_verdict(tx, again))
    assert [row["side"] for row in store.rows(FOUND)] == ["SUPPORTED_BY"] * 3 + ["UNDECIDED_IN"]


def test_only_a_changed_verdict_is_a_new_judgement(store: GraphStore) -> None:
    _models(store)
    judged_at: LiteralString = "MATCH (v:Verdict) RETURN v.judged_at AS at"
    judged = verdict()
    store.write(lambda tx: findings.write_verdict(tx, judged))
    assert store.rows(judged_at)[0]["at"] > 0
    store.write(lambda tx: tx.run("MATCH (v:Verdict) SET v.judged_at = 7").consume())
    store.write(lambda tx: findings.write_verdict(tx, judged))
    assert store.rows(judged_at) == [{"at": 7}]
    changed = judged.model_copy(update={"outcome": Outcome.WEAK})
    store.write(lambda tx: findings.write_verdict(tx, changed))
    assert store.rows(judged_at)[0]["at"] > 7


def test_a_task_that_is_not_done_contradicts_nothing(store: GraphStore) -> None:
    _models(store)
    behaviour = verdict(Rung.BEHAVIOUR, models=[finding(model, "a") for model, _ in FOUR[:1]])
    store.write(lambda tx: findings.write_verdict(tx, behaviour))
    assert [row["side"] for row in store.rows(FOUND)] == ["UNDECIDED_IN"]


def test_a_remark_keeps_its_time_and_survives_a_new_run(store: GraphStore) -> None:
    circuit = _circuit(store)
    remark = annotation(circuit.circuit_id)
    _twice(store, lambda tx: findings.write_annotation(tx, remark))
    (stored,) = findings.read_annotations(store, circuit.circuit_id)
    assert stored.at is not None
    assert stored == annotation(circuit.circuit_id, at=stored.at)
    _circuit(store)
    store.write(lambda tx: findings.write_annotation(tx, remark))
    assert findings.read_annotations(store, circuit.circuit_id) == (stored,)


def test_what_a_finding_hangs_on_must_be_there(store: GraphStore) -> None:
    circuit_id = _circuit(store).circuit_id
    refused: list[tuple[str, Callable[[Transaction], None]]] = [
        ("circuit 'x'", lambda tx: findings.write_alignment(tx, alignment(circuit_id, "x"))),
        ("motif", lambda tx: findings.write_verdict(tx, verdict())),
        ("a1.h3", lambda tx: findings.write_annotation(tx, annotation(circuit_id, "a1.h3"))),
    ]
    before = store.rows(COUNTS)
    for said, work in refused:
        with pytest.raises(NotFoundError, match=said):
            store.write(work)
    assert store.rows(COUNTS) == before
    store.write(lambda tx: write_motif(tx, INDUCTION))
    with pytest.raises(NotFoundError, match=FOUR[0][0].fingerprint):
        store.write(lambda tx: findings.write_verdict(tx, verdict()))
    for read in (findings.read_verdict, findings.read_role_graph):
        with pytest.raises(NotFoundError, match="'none'"):
            read(store, "none")


def _occurrence(circuit_id: str, previous: str) -> Occurrence:
    binds = {"previous": previous, "induction": "a1.h2", "out": "logits"}
    return Occurrence(motif_id=INDUCTION.motif_id, circuit_id=circuit_id, binds=binds)


def test_occurrences_take_the_place_of_those_before(store: GraphStore) -> None:
    circuit_id = _circuit(store).circuit_id
    both = [_occurrence(circuit_id, name) for name in ("a0.h1", "m0")]
    _twice(store, lambda tx: write_occurrences(tx, INDUCTION, circuit_id, both))
    assert read_motifs(store) == (INDUCTION,)
    assert list(read_occurrences(store, circuit_id, INDUCTION.motif_id)) == both
    bound = (
        "MATCH (:Occurrence)-[b:BINDS {variable: 'previous'}]->(n) RETURN n.name AS n ORDER BY n"
    )
    assert store.rows(bound) == [{"n": "a0.h1"}, {"n": "m0"}]
    searched = "MATCH ()-[s:SEARCHED]->() RETURN s.occurrences AS n"
    for kept in (both[:1], []):
        store.write(lambda tx, kept=kept: write_occurrences(tx, INDUCTION, circuit_id, kept))
        assert list(read_occurrences(store, circuit_id)) == kept
        assert store.rows(searched) == [{"n": len(kept)}]


def test_four_writers_of_the_same_findings_leave_them_once(store: GraphStore) -> None:
    _models(store)
    circuit_id = _circuit(store).circuit_id
    occurrences = [_occurrence(circuit_id, name) for name in ("a0.h1", "m0")]

    def write(tx: Transaction) -> None:
        findings.write_roles(tx, roles_played())
        findings.write_role_graph(tx, role_graph())
        write_occurrences(tx, INDUCTION, circuit_id, occurrences)
        findings.write_verdict(tx, verdict())

    store.write(write)
    once = store.rows(COUNTS)
    store.write(lambda tx: tx.run(FORGET).consume())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: store.write(write), range(4)))
    assert store.rows(COUNTS) == once
    assert len(read_occurrences(store, circuit_id)) == 2
    assert findings.read_verdict(store, verdict().verdict_id) == verdict()
