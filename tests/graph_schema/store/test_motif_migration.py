"""What the last release stored of motif tests and searches, in this one's shape."""

from __future__ import annotations

from graph_schema.documents import Occurrence
from graph_schema.motifs import find_motif, parse_motif
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.motif_tests import list_motif_tests, read_motif_test
from graph_schema.store.records.motifs import read_occurrences, write_motif, write_occurrences
from graph_schema.store.versions import motif_tests as motif_migration
from graph_schema.store.versions.motif_tests import forget_searches, gather_tests
from tests.factories import make_circuit
from tests.findings import motif_test

INDUCTION, BI_FAN = find_motif("induction"), find_motif("bi_fan")

# As release 0.4 wrote it, but for the time, which it took from the server.
OLD = """
UNWIND $rows AS row
MATCH (c:Circuit {circuit_id: row.circuit_id}) MATCH (m:Motif {motif_id: row.motif_id})
MERGE (c)-[t:TESTED]->(m)
SET t = row.properties, t.at = row.at
"""


def _old_results(store: GraphStore) -> tuple[str, str]:
    """Induction and the bi-fan tested in two circuits, and the bi-fan in one of them again."""
    ids = tuple(make_circuit(job=job).circuit_id for job in ("one", "two"))
    rows: list[dict[str, object]] = []
    for job, circuit_id in zip(("one", "two"), ids, strict=True):
        circuit = make_circuit(job=job)
        store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
        for motif in (INDUCTION, BI_FAN):
            store.write(lambda tx, motif=motif: write_motif(tx, motif))
            (result,) = motif_test(circuit_id).results
            fields = result.model_dump(mode="json", exclude={"circuit_id", "motif_id", "motif"})
            fields["null_model"] = fields.pop("null")
            later = motif is BI_FAN and job == "two"
            row = {"circuit_id": circuit_id, "motif_id": motif.motif_id, "at": 2 if later else 1}
            own = {"seed": 7 if later else 3, "stale": later}
            rows.append({**row, "properties": fields | own})
    store.write(lambda tx: tx.run(OLD, rows=rows).consume())
    return ids[0], ids[1]


def test_results_of_one_moment_become_a_test(store: GraphStore) -> None:
    one, two = _old_results(store)
    pieces = [store.write(gather_tests) for _ in range(4)]
    assert pieces == [True, True, False, False]
    assert store.rows("MATCH ()-[t:TESTED]->() RETURN count(t) AS n") == [{"n": 0}]
    later, first = list_motif_tests(store)
    assert (later.at, later.seed, later.circuits, later.motifs) == (2, 7, 1, 1)
    assert (first.at, first.seed, first.circuits, first.motifs) == (1, 3, 2, 2)
    assert (first.alpha, later.alpha) == (None, None)
    assert (first.stale, later.stale) == ((), ("bi_fan",))
    _, test = read_motif_test(store, first.test_id)
    assert test.test_id == first.test_id
    assert [(result.circuit_id, result.motif) for result in test.results] == sorted(
        [(one, "bi_fan"), (one, "induction"), (two, "induction")]
    )
    assert {(result.p, result.p_max, result.q) for result in test.results} == {(0.01, 0.02, 0.03)}


def test_searches_that_counted_twice_are_forgotten(store: GraphStore, monkeypatch) -> None:
    fan = "name: fan\nnodes: {s: {}, a: {}, b: {}}\nedges: [s -> a, s -> b]\n"
    same, plain = parse_motif(f"{fan}depth: [a = b]"), parse_motif(fan.replace(": fan", ": other"))
    circuit = make_circuit()
    store.write(lambda tx: write_circuit(tx, circuit))
    names = sorted({name for edge in circuit.edges for name in (edge.sender, edge.receiver)})
    for motif in (same, plain):
        found = [
            Occurrence(
                motif_id=motif.motif_id,
                circuit_id=circuit.circuit_id,
                binds={"s": names[0], "a": one, "b": two},
            )
            for one, two in (names[1:3], names[2:0:-1])
        ]
        store.write(
            lambda tx, motif=motif, found=found: write_occurrences(
                tx, motif, circuit.circuit_id, found
            )
        )
    monkeypatch.setattr(motif_migration, "PIECE", 1)
    assert [store.write(forget_searches) for _ in range(4)] == [True, True, True, False]
    assert {each.motif_id for each in read_occurrences(store, circuit.circuit_id)} == {
        plain.motif_id
    }
    assert store.rows("MATCH ()-[:SEARCHED]->(m) RETURN m.name AS name") == [{"name": "other"}]
