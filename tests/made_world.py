"""A small graph in which the answers to all named questions are known by hand.

Five models of three families do induction, one of them IOI too. Roles are those of
`tests.findings`; the circuits are drawn below. Effects, shares and states are made up.
"""

from __future__ import annotations

from dataclasses import dataclass

from graph_schema.documents import (
    CircuitDocument,
    Metric,
    Outcome,
    RoleGraph,
    Rung,
    Verdict,
    sha256_hex,
)
from graph_schema.motif_search import flag_contradictions, store_occurrences
from graph_schema.motifs import find_motif
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.alignments import write_alignment
from graph_schema.store.records.annotations import write_annotation
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.datasets import write_dataset
from graph_schema.store.records.motif_tests import write_motif_test
from graph_schema.store.records.motifs import write_motif
from graph_schema.store.records.reports import write_report
from graph_schema.store.records.role_graphs import write_role_graph
from graph_schema.store.records.role_tests import write_roles
from graph_schema.store.records.verdicts import write_verdict
from tests.factories import (
    INDUCTION_EDGES,
    make_circuit,
    make_dataset,
    make_edges,
    make_model,
    make_run,
)
from tests.findings import (
    alignment,
    annotation,
    finding,
    motif_test,
    report,
    role_graph,
    roles_played,
    verdict,
)

G1, G2 = make_model("gpt2/one"), make_model("gpt2/two")
L1 = make_model("llama/one", "llama")
N1, N2 = make_model("neox/one", "neox"), make_model("neox/two", "neox")
STATES = ((G1, "ppp"), (G2, "ppa"), (L1, "ppp"), (N1, "paa"), (N2, "auu"))
STABILITY = {"a0.h1->a1.h2<k>": 1.0, "input->a1.h2<v>": 0.4, "m0->logits": 0.7}

INDUCTION = find_motif("induction")
K_COMPOSITION = find_motif("k_composition")


@dataclass(frozen=True)
class MadeWorld:
    """What was written; circuits by a name of ours."""

    circuits: dict[str, CircuitDocument]
    graph: RoleGraph
    role: Verdict
    wiring: Verdict

    def id(self, name: str) -> str:
        return self.circuits[name].circuit_id


def _circuits() -> dict[str, CircuitDocument]:
    g1 = (*INDUCTION_EDGES, *make_edges([("input", "logits", "r", 0.2)]))
    g1 = tuple(edge.model_copy(update={"stability": STABILITY.get(edge.name)}) for edge in g1)
    ioi = [
        ("input", "a0.h1", "v", 0.5),
        ("a0.h1", "a1.h3", "q", 0.5),
        ("a1.h3", "logits", "r", 1.0),
        ("input", "m0", "r", 0.25),
        ("m0", "logits", "r", 0.1),
    ]
    by_values = [
        ("input", "a0.h1", "v", 0.5),
        ("a0.h1", "a1.h2", "v", 0.5),
        ("a1.h2", "logits", "r", 1.0),
    ]
    two_heads = [
        ("input", "a0.h0", "v", 0.5),
        ("a0.h0", "a1.h1", "k", 1.0),
        ("a0.h0", "a1.h3", "k", 0.5),
        ("a1.h1", "logits", "r", 1.0),
        ("a1.h3", "logits", "r", 0.5),
    ]
    bare = [("input", "m0", "r", 0.5), ("m0", "logits", "r", 0.5)]
    return {
        "g1": make_circuit(g1, model=G1, job="g1"),
        "g1_ioi": make_circuit(
            make_edges(ioi), model=G1, job="g1_ioi", task="ioi", task_id=sha256_hex("ioi")
        ),
        "g2": make_circuit(make_edges(by_values), model=G2, job="g2"),
        "l1": make_circuit(make_edges(two_heads), model=L1, job="l1"),
        "n1": make_circuit(make_edges(bare), model=N1, job="n1"),
    }


def _write_roles(store: GraphStore) -> None:
    l1 = (
        ("a0.h0", "previous_token", 1.0, True),
        ("a1.h1", "induction", 1.5, True),
        ("a1.h3", "induction", 0.5, True),
        ("a0.h3", "induction", 0.25, True),
    )
    failing = (("a1.h0", "induction", 0.25, False),)
    for played in (
        roles_played(G1),
        roles_played(G2),
        roles_played(L1, l1),
        roles_played(N1, failing),
        roles_played(N2, failing),
        roles_played(G1, (("a1.h3", "name_mover", 1.0, True),), task="ioi"),
    ):
        store.write(lambda tx, played=played: write_roles(tx, played, make_run("roles")))


def fill(store: GraphStore) -> MadeWorld:
    """Write the world into an empty graph with the schema in place."""
    circuits = _circuits()
    store.write(lambda tx: write_dataset(tx, make_dataset()))
    for name, circuit in circuits.items():
        run = make_run(name)
        store.write(lambda tx, circuit=circuit, run=run: write_circuit(tx, circuit, run))
    ids = {name: circuit.circuit_id for name, circuit in circuits.items()}
    _write_roles(store)
    graph = role_graph(G1).model_copy(update={"motif_id": INDUCTION.motif_id})
    other = graph.model_copy(update={"metric": Metric.PROB_DIFF, "seed": 1})
    for measured in (other, graph):
        store.write(lambda tx, measured=measured: write_role_graph(tx, measured))
    for motif in (INDUCTION, K_COMPOSITION):
        store.write(lambda tx, motif=motif: write_motif(tx, motif))
    store_occurrences(store, INDUCTION, ids["g1"])
    store_occurrences(store, K_COMPOSITION, ids["g2"])
    store.write(lambda tx: write_motif_test(tx, [INDUCTION], motif_test(ids["g1"])))
    for other, similarity in (("g2", 0.95), ("l1", 0.85), ("n1", 0.25)):
        found = alignment(ids["g1"], ids[other], similarity)
        store.write(lambda tx, found=found: write_alignment(tx, found))
    store.write(lambda tx: write_annotation(tx, annotation(ids["g1"])))

    evidence = {"role_graph_id": graph.role_graph_id, "circuit_ids": (ids["g1"],)}
    models = [
        finding(model, states, **(evidence if model is G1 else {})) for model, states in STATES
    ]
    later = verdict(Rung.ROLE, models=models[2:3])
    role, wiring = verdict(Rung.ROLE, models=models), verdict(Rung.WIRING, models=models)
    # One model makes no strong verdict, which a document would refuse; the questions read no tally.
    strong = verdict(Rung.WIRING, models=models[:1]).model_copy(
        update={
            "motif_id": K_COMPOSITION.motif_id,
            "motif": K_COMPOSITION.name,
            "outcome": Outcome.STRONG,
        }
    )
    earlier = strong.model_copy(update={"models": (finding(G2, "ppa"),)})
    store.write(lambda tx: write_report(tx, report(sha256_hex("judging"), verdicts=[wiring])))
    # Of several verdicts the one over the most models counts, of those the latest.
    for at, judged in enumerate((earlier, role, wiring, strong, later)):
        store.write(lambda tx, judged=judged: write_verdict(tx, judged))
        store.write(
            lambda tx, at=at, judged=judged: tx.run(
                "MATCH (v:Verdict {verdict_id: $id}) SET v.judged_at = $at",
                id=judged.verdict_id,
                at=at,
            ).consume()
        )
    store.write(lambda tx: flag_contradictions(tx, ids["g2"]))
    return MadeWorld(circuits, graph, role, wiring)
