"""The roles of a circuit's nodes follow the role tests, whoever writes when, on both servers."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from neo4j import Transaction

from graph_schema.documents import (
    Ablation,
    AblationSpec,
    CircuitDocument,
    Metric,
    Motif,
    Occurrence,
    RoleName,
    RolesPlayed,
    sha256_hex,
)
from graph_schema.documents.rungs import Rung
from graph_schema.documents.verdict import Outcome
from graph_schema.motif_search import run_motif_tests, store_occurrences
from graph_schema.motifs import find_motif
from graph_schema.store.connection import GraphStore
from graph_schema.store.questions.ask import ask
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.evaluations import write_evaluation
from graph_schema.store.records.imports import write_imported
from graph_schema.store.records.node_roles import read_node_roles, stale_where_changed
from graph_schema.store.records.role_tests import read_role_tests, write_roles
from graph_schema.store.records.verdicts import write_verdict
from tests.at_once import at_once
from tests.factories import make_circuit, make_circuit_evaluation, make_imported, make_model
from tests.findings import finding, roles_played, verdict
from tests.graph_schema.store.records.test_circuits import COUNTS

PREVIOUS, INDUCTION, COPY = (
    RoleName.PREVIOUS_TOKEN,
    RoleName.INDUCTION,
    RoleName.COPY_SUPPRESSION,
)
MOTIF, LOOP = find_motif("induction"), find_motif("coherent_feed_forward_loop")
FINGERPRINT, TASK_ID = make_model().fingerprint, sha256_hex("induction")
NONE_PASS = (("a1.h2", "induction", 0.1, False),)


def _circuit(store: GraphStore, **changes: object) -> CircuitDocument:
    circuit = make_circuit(**changes)  # type: ignore[arg-type]
    store.write(lambda tx: write_circuit(tx, circuit))
    return circuit


def _write(store: GraphStore, *tests: RolesPlayed) -> None:
    for test in tests:
        store.write(lambda tx, test=test: write_roles(tx, test))


def _twice(store: GraphStore, work: Callable[[Transaction], None]) -> None:
    store.write(work)
    once = store.rows(COUNTS)
    store.write(work)
    assert store.rows(COUNTS) == once


def test_roles_are_copied_to_the_nodes_of_circuits_on_their_task(store: GraphStore) -> None:
    """Whichever comes first, and to no other task; every role that passes, the strongest first."""
    before = _circuit(store)
    played = roles_played()
    _twice(store, lambda tx: write_roles(tx, played))
    after = _circuit(store, job="after")
    elsewhere = _circuit(store, job="elsewhere", task="ioi", task_id=sha256_hex("ioi"))
    expected = {"a0.h1": (PREVIOUS,), "a1.h2": (INDUCTION,)}
    assert read_node_roles(store, before.circuit_id) == expected
    assert read_node_roles(store, after.circuit_id) == expected
    assert read_node_roles(store, elsewhere.circuit_id) == {}
    assert read_role_tests(store, FINGERPRINT, TASK_ID) == (played,)
    both = roles_played(
        plays=(
            ("a0.h1", "previous_token", 1.25, False),
            ("a1.h2", "copy_suppression", -3.0, True),
            ("a1.h2", "induction", 2.0, True),
        )
    )
    _write(store, both)
    for circuit in (before, after, _circuit(store, job="last")):
        assert read_node_roles(store, circuit.circuit_id) == {"a1.h2": (COPY, INDUCTION)}
    assert read_role_tests(store, FINGERPRINT, TASK_ID) == (both,)
    nodes = "MATCH (n:CircuitNode) WHERE n.roles IS NULL RETURN count(n) AS n"
    assert store.rows(nodes) == [{"n": 0}]


def test_a_second_measurement_does_not_erase_the_first(store: GraphStore) -> None:
    circuit = _circuit(store)
    first = roles_played()
    changes: list[dict[str, object]] = [
        {"metric": Metric.KL},
        {"ablation": AblationSpec(kind=Ablation.ZERO)},
        {"seed": 1},
        {"method_version": 2},
        {"dataset_sha256": "1" * 64},
    ]
    others = [roles_played(plays=NONE_PASS).model_copy(update=change) for change in changes]
    others.append(
        roles_played(plays=(("m0", "induction", 9.0, True),)).model_copy(update={"seed": 2})
    )
    _write(store, first, *others)
    assert read_role_tests(store, FINGERPRINT, TASK_ID) == (first, *others)
    roles = {"a0.h1": (PREVIOUS,), "a1.h2": (INDUCTION,), "m0": (INDUCTION,)}
    assert read_node_roles(store, circuit.circuit_id) == roles
    _write(store, roles_played(plays=NONE_PASS))  # the first one, made again
    assert read_node_roles(store, circuit.circuit_id) == {"m0": (INDUCTION,)}
    ioi = roles_played(plays=(("m0", "induction", 1.0, True),), task="ioi")
    _write(store, ioi)
    assert len(read_role_tests(store, FINGERPRINT, TASK_ID)) == 7
    assert read_role_tests(store, FINGERPRINT, ioi.task_id) == (ioi,)


def test_an_imported_circuit_takes_the_roles_of_what_it_is_said_to_be_for(
    store: GraphStore,
) -> None:
    _write(store, roles_played(), roles_played(plays=(("m0", "induction", 1.0, True),), task="ioi"))
    imported = make_imported()
    store.write(lambda tx: write_imported(tx, imported))
    assert read_node_roles(store, imported.circuit_id) == {}
    ioi = make_imported(task="ioi", task_id=sha256_hex("ioi"))
    store.write(lambda tx: write_imported(tx, ioi))
    assert read_node_roles(store, imported.circuit_id) == {"m0": (INDUCTION,)}
    said_anew = make_imported(task="induction", task_id=TASK_ID)
    store.write(lambda tx: write_imported(tx, said_anew))
    assert read_node_roles(store, imported.circuit_id).keys() == {"a0.h1", "a1.h2"}
    other = make_imported("other")
    store.write(lambda tx: write_imported(tx, other))
    store.write(lambda tx: write_evaluation(tx, make_circuit_evaluation(other)))
    assert read_node_roles(store, other.circuit_id).keys() == {"a0.h1", "a1.h2"}


def test_writers_of_roles_and_circuits_at_once_leave_nothing_stale(store: GraphStore) -> None:
    """Whatever the order, the copies are those of what was stored last, and searches say so."""
    rng = random.Random(0)
    for turn in range(4):
        passing = [rng.random() < 0.5 for _ in range(3)]
        plays = [
            (("a0.h1", "previous_token", 1.0, passes), ("a1.h2", "induction", 2.0, passes))
            for passes in passing
        ]
        circuits = [make_circuit(job=f"{turn} {number}") for number in range(3)]
        imported = make_imported(f"file {turn}")
        store.write(lambda tx, imported=imported: write_imported(tx, imported))
        judged = make_circuit_evaluation(imported, f"judge {turn}")
        searched = _circuit(store, job=f"{turn} searched")
        work: list[Callable[[], object]] = [
            *(lambda each=each: _write(store, roles_played(plays=each)) for each in plays),
            *(
                lambda circuit=circuit: store.write(lambda tx: write_circuit(tx, circuit))
                for circuit in circuits
            ),
            lambda judged=judged: store.write(lambda tx: write_evaluation(tx, judged)),
            lambda searched=searched: store_occurrences(store, MOTIF, searched.circuit_id),
        ]
        rng.shuffle(work)
        failed = at_once(len(work), lambda index, work=work: work[index]())
        assert [each for each in failed if isinstance(each, Exception)] == []
        (test,) = read_role_tests(store, FINGERPRINT, TASK_ID)
        expected = {play.component: (play.role,) for play in test.plays if play.passes}
        for each in (*circuits, imported, searched):
            assert read_node_roles(store, each.circuit_id) == expected
        search = store.rows(
            "MATCH (:Circuit {circuit_id: $id})-[s:SEARCHED]->(:Motif) "
            "RETURN s.occurrences AS n, s.stale AS stale",
            id=searched.circuit_id,
        )
        assert search[0]["stale"] or search[0]["n"] == (1 if expected else 0)


STALE = """
MATCH (:Circuit {circuit_id: $id})-[s:SEARCHED]->(m:Motif)
RETURN m.name AS motif, 'SEARCHED' AS what, coalesce(s.stale, false) AS stale
"""
LAST_TESTS = """
MATCH (:Circuit {circuit_id: $id})<-[:TESTED_IN]-(t:MotifTest)-[r:RESULT {circuit_id: $id}]->(m)
RETURN m.name AS motif, 'TESTED' AS what, r.stale AS stale ORDER BY t.at
"""
STALE_OCCURRENCES = """
MATCH (o:Occurrence)-[:IN_CIRCUIT]->(:Circuit {circuit_id: $id})
RETURN o.motif AS motif, coalesce(o.stale, false) AS stale ORDER BY motif
"""


def _stale(store: GraphStore, circuit_id: str) -> set[tuple[str, str]]:
    # Tests stand beside each other: what counts of a motif is the last one.
    rows = [*store.rows(STALE, id=circuit_id), *store.rows(LAST_TESTS, id=circuit_id)]
    last = {(row["motif"], row["what"]): row["stale"] for row in rows}
    found = {each for each, stale in last.items() if stale}
    occurrences = store.rows(STALE_OCCURRENCES, id=circuit_id)
    return found | {(row["motif"], "occurrence") for row in occurrences if row["stale"]}


def test_roles_that_change_make_what_read_them_stale_and_no_more(store: GraphStore) -> None:
    circuit_id, other = (_circuit(store, job=job).circuit_id for job in ("one", "other"))
    elsewhere = _circuit(store, job="ioi", task="ioi", task_id=sha256_hex("ioi")).circuit_id
    _write(store, roles_played())

    def look(*motifs: Motif) -> None:
        for each in (circuit_id, elsewhere):
            for motif in motifs:
                store_occurrences(store, motif, each)
            run_motif_tests(store, [each], motifs, draws=20)

    look(MOTIF, LOOP)
    assert _stale(store, circuit_id) == _stale(store, elsewhere) == set()
    _write(store, roles_played())  # the same again changes nothing
    assert _stale(store, circuit_id) == set()
    _write(store, roles_played(plays=NONE_PASS).model_copy(update={"seed": 1}))
    assert _stale(store, circuit_id) == set()
    _write(store, roles_played(plays=NONE_PASS))
    stale = {(MOTIF.name, what) for what in ("SEARCHED", "TESTED", "occurrence")}
    assert _stale(store, circuit_id) == stale
    assert _stale(store, elsewhere) == _stale(store, other) == set()
    _write(store, roles_played())
    assert _stale(store, circuit_id) == stale  # nobody has looked again
    look(MOTIF)
    assert _stale(store, circuit_id) == set()


def test_tests_of_roles_that_changed_meanwhile_are_stale(embedded_store: GraphStore) -> None:
    store = embedded_store
    circuit_id = _circuit(store).circuit_id
    _write(store, roles_played())
    read = {circuit_id: read_node_roles(store, circuit_id)}
    run_motif_tests(store, [circuit_id], [MOTIF], draws=20)
    store.write(lambda tx: stale_where_changed(tx, read))
    assert _stale(store, circuit_id) == set()
    store.write(lambda tx: stale_where_changed(tx, {circuit_id: {}}))
    assert _stale(store, circuit_id) == {(MOTIF.name, "TESTED")}


def test_a_stale_search_is_no_contradiction_and_says_so(store: GraphStore) -> None:
    circuit = _circuit(store)
    store_occurrences(store, MOTIF, circuit.circuit_id)
    # Of one model no verdict is strong: what is said here is made up.
    made_up = {"rung": Rung.WIRING, "outcome": Outcome.STRONG}
    said = verdict(models=[finding(make_model(), "ppp")]).model_copy(update=made_up)
    store.write(lambda tx: write_verdict(tx, said))

    def how() -> list[str]:
        answer = ask(store, "contradicted-verdicts", {"circuit": circuit.circuit_id})
        return [row[answer.columns.index("how")] for row in answer.rows]

    assert how() == ["the motif does not occur in it"]
    _write(store, roles_played())
    (text,) = how()
    assert text.startswith("not known: roles have changed")
    evidence = ask(store, "verdict-evidence", {"verdict": said.verdict_id})
    assert "search_stale" in evidence.columns
    assert isinstance(
        store_occurrences(store, MOTIF, circuit.circuit_id).occurrences[0], Occurrence
    )
    assert how() == []


def test_a_component_that_two_write_at_once_is_made_once(store: GraphStore) -> None:
    """It is created, not merged: the model is held."""
    circuits = [make_circuit(job=f"job {number}") for number in range(4)]
    work: list[Callable[[], object]] = [
        *(
            lambda circuit=circuit: store.write(lambda tx: write_circuit(tx, circuit))
            for circuit in circuits
        ),
        lambda: _write(store, roles_played()),
    ]
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    twice = """
    MATCH (m:Model)-[h:HAS]->(p:Component) WITH p, count(h) AS n WHERE n > 1 RETURN p.name AS name
    """
    assert store.rows(twice) == []
    orphans = "MATCH (p:Component) WHERE NOT EXISTS { (p)<-[:HAS]-() } RETURN count(p) AS n"
    assert store.rows(orphans) == [{"n": 0}]
