"""What is stored after a verdict and speaks against it is flagged; what agrees is not."""

from __future__ import annotations

from typing import Any

import pytest

from graph_schema.comparing.protocols import default_protocol
from graph_schema.comparing.universality import judge
from graph_schema.documents import (
    Ablation,
    AblationSpec,
    ModelFinding,
    Outcome,
    RoleGraph,
    Rung,
    Verdict,
    sha256_hex,
)
from graph_schema.motif_search import flag_contradictions, store_occurrences
from graph_schema.motifs import find_motif
from graph_schema.store.connection import GraphStore
from graph_schema.store.questions.ask import ask
from graph_schema.store.records.circuit_list import CircuitFilter, list_circuits
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.models import write_model
from graph_schema.store.records.motifs import write_motif
from graph_schema.store.records.role_graphs import write_role_graph
from graph_schema.store.records.role_tests import write_roles
from graph_schema.store.records.verdicts import write_verdict
from tests.factories import (
    INDUCTION_EDGES,
    make_circuit,
    make_circuit_evaluation,
    make_dataset,
    make_imported,
    make_model,
    make_run,
)
from tests.findings import INDUCTION_PLAYS, finding, role_graph, roles_played
from workers.job.results import EvaluationResult, Result, RolesResult

MOTIF = find_motif("induction")
PROTOCOL = default_protocol(MOTIF)
WITHOUT = tuple(edge for edge in INDUCTION_EDGES if edge.name != "a0.h1->a1.h2<k>")


def judged(task: str, *families: tuple[str, str], **protocol: Any) -> Verdict:
    """A verdict on the wiring, a letter a model; every share is about one half."""
    models: list[ModelFinding] = [
        finding(make_model(f"{task}/{family}-{number}", family), f"pp{state}")
        for family, states in families
        for number, state in enumerate(states)
    ]
    shares = {
        rule.name: {m.fingerprint: 0.5 + 0.02 * (n % 3 - 1) for n, m in enumerate(models)}
        for rule in PROTOCOL.edges
    }
    return judge(
        Rung.WIRING,
        models,
        motif=MOTIF,
        task=task,
        task_id=sha256_hex(task),
        protocol=default_protocol(MOTIF, **protocol),
        shares=shares,
    )


def store_verdict(store: GraphStore, verdict: Verdict) -> Verdict:
    families = {each.fingerprint: each.family for each in verdict.models}
    names = {
        make_model(f"{verdict.task}/{family}-{n}").fingerprint: f"{verdict.task}/{family}-{n}"
        for family in families.values()
        for n in range(40)
    }

    def write(tx: Any) -> None:
        write_motif(tx, MOTIF)
        for fingerprint, family in families.items():
            write_model(tx, make_model(names[fingerprint], family))
        write_verdict(tx, verdict)

    store.write(write)
    return verdict


def strong(store: GraphStore, task: str) -> Verdict:
    verdict = judged(task, *((family, "p" * 12) for family in ("gpt2", "llama", "neox")))
    assert verdict.outcome is Outcome.STRONG
    return store_verdict(store, verdict)


def flags(store: GraphStore, task: str) -> list[dict[str, Any]]:
    answer = ask(store, "contradictions", {"task": sha256_hex(task)})
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def measured(task: str, share: float, **changes: Any) -> RoleGraph:
    graph = role_graph(make_model(f"{task}/late"), share)
    return graph.model_copy(update={"task": task, "task_id": sha256_hex(task)} | changes)


def test_a_role_graph_below_the_floor_is_flagged_until_it_is_measured_above(
    store: GraphStore,
) -> None:
    task = "flagged role graph"
    verdict = strong(store, task)
    store.write(lambda tx: write_role_graph(tx, measured(task, 0.5)))
    assert flags(store, task) == []
    below = measured(task, 0.1)
    store.write(lambda tx: write_role_graph(tx, below))
    (flag,) = flags(store, task)
    assert (flag["kind"], flag["verdict"]) == ("RoleGraph", verdict.verdict_id)
    assert flag["contradicted_by"] == below.role_graph_id
    assert "previous_token -k-> induction carries 0.10" in flag["reason"]
    store.write(lambda tx: write_role_graph(tx, measured(task, 0.5)))
    assert flags(store, task) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"ablation": AblationSpec(kind=Ablation.ZERO)},
        {
            "behaviour": {
                "accuracy": {"all": 0.2},
                "gap": 1.0,
                "gap_low": 0.5,
                "gap_high": 1.5,
                "reason": "the task is not done",
            }
        },
    ],
)
def test_another_protocol_or_a_failed_task_contradicts_nothing(
    store: GraphStore, changes: dict[str, Any]
) -> None:
    task = f"not flagged {min(changes)}"
    strong(store, task)
    graph = RoleGraph.model_validate(measured(task, 0.1).model_dump() | changes)
    store.write(lambda tx: write_role_graph(tx, graph))
    assert flags(store, task) == []


def test_a_later_verdict_that_refutes_or_names_a_counterexample_is_flagged(
    store: GraphStore,
) -> None:
    task = "flagged verdict"
    first = strong(store, task)
    refuted = store_verdict(store, judged(task, ("olmo", "aa")))
    assert refuted.outcome is Outcome.REFUTED
    named = store_verdict(store, judged(task, ("gpt2", "p" * 12 + "a")))
    agreeing = store_verdict(store, judged(task, ("gpt2", "ppp")))
    by = {flag["contradicted_by"]: flag for flag in flags(store, task)}
    assert "is refuted, which was strong" in by[refuted.verdict_id]["reason"]
    assert "1 of its models lack the wiring" in by[named.verdict_id]["reason"]
    assert agreeing.verdict_id not in by
    assert {flag["verdict"] for flag in by.values()} == {first.verdict_id}


def test_a_verdict_on_direct_wiring_contradicts_none_on_wiring(store: GraphStore) -> None:
    task = "direct verdict"
    strong(store, task)
    store_verdict(store, judged(task, ("gpt2", "aa"), path="direct"))
    assert flags(store, task) == []


def test_a_circuit_without_the_motif_is_flagged_where_roles_are_known(store: GraphStore) -> None:
    task = "flagged circuit"
    verdict = strong(store, task)
    fields: dict[str, Any] = {"task": task, "task_id": sha256_hex(task)}
    bare = make_circuit(WITHOUT, model=make_model(f"{task}/x"), job=f"{task} bare", **fields)
    whole = make_circuit(model=make_model(f"{task}/x"), job=f"{task} whole", **fields)

    def write(tx: Any) -> None:
        for circuit in (bare, whole):
            write_circuit(tx, circuit)
            flag_contradictions(tx, circuit.circuit_id)

    store.write(write)
    assert flags(store, task) == []  # nobody knows what its nodes do
    played = roles_played(make_model(f"{task}/x"), task=task)
    store.write(lambda tx: write_roles(tx, played))
    store.write(write)
    (flag,) = flags(store, task)
    assert (flag["kind"], flag["contradicted_by"]) == ("Circuit", bare.circuit_id)
    listed = {c.circuit_id: c.contradicts for c in list_circuits(store, CircuitFilter(task=task))}
    assert listed == {bare.circuit_id: 1, whole.circuit_id: 0}
    answer = ask(store, "contradicted-verdicts", {"circuit": bare.circuit_id})
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert [(row["verdict"], row["how"]) for row in rows] == [
        (verdict.verdict_id, "the motif does not occur in it")
    ]
    store_occurrences(store, MOTIF, bare.circuit_id)
    assert len(flags(store, task)) == 1


def test_roles_that_come_later_flag_the_circuits_that_were_there(store: GraphStore) -> None:
    """As every universality job has it: circuits first, then who plays what in them."""
    task = "roles come later"
    strong(store, task)
    model = make_model(f"{task}/x")
    fields: dict[str, Any] = {"task": task, "task_id": sha256_hex(task), "model": model}
    bare = make_circuit(WITHOUT, job=f"{task} bare", **fields)
    whole = make_circuit(job=f"{task} whole", **fields)
    result = Result((bare, whole), make_dataset(), make_run(task))
    store.write(result.write)
    assert flags(store, task) == []  # nobody knows what their nodes do

    def tell(*plays: tuple[str, str, float, bool]) -> None:
        played = roles_played(model, plays, task=task)
        store.write(RolesResult(played, make_dataset(), make_run(task)).write)

    tell(*INDUCTION_PLAYS)
    assert [flag["contradicted_by"] for flag in flags(store, task)] == [bare.circuit_id]
    tell(("a0.h1", "previous_token", 1.25, True))  # measured again: none does induction
    assert {flag["contradicted_by"] for flag in flags(store, task)} == {
        bare.circuit_id,
        whole.circuit_id,
    }
    tell(*INDUCTION_PLAYS)
    assert [flag["contradicted_by"] for flag in flags(store, task)] == [bare.circuit_id]
    tell(("a0.h1", "previous_token", 1.25, False))  # and now nothing is known
    assert flags(store, task) == []


def test_an_evaluation_that_says_what_an_import_is_for_flags_it(store: GraphStore) -> None:
    task = "told later"
    strong(store, task)
    model = make_model(f"{task}/x")
    edges = make_circuit(WITHOUT).edges
    imported = make_imported(task, model=model, edges=edges)
    played = roles_played(model, task=task)
    store.write(lambda tx: write_circuit(tx, imported))
    store.write(RolesResult(played, make_dataset(), make_run(task)).write)
    assert flags(store, task) == []
    told: dict[str, Any] = {"task": task, "task_id": sha256_hex(task)}
    judged = make_circuit_evaluation(imported, **told)
    store.write(EvaluationResult(judged, model, make_dataset(), make_run(task)).write)
    (flag,) = flags(store, task)
    assert (flag["kind"], flag["contradicted_by"]) == ("Circuit", imported.circuit_id)


def test_what_speaks_against_a_strong_verdict_goes_where_it_is_strong_no_more(
    store: GraphStore,
) -> None:
    task = "judged again"
    verdict = strong(store, task)
    store.write(lambda tx: write_role_graph(tx, measured(task, 0.1)))
    refuted = store_verdict(store, judged(task, ("olmo", "aa")))
    named = store_verdict(store, judged(task, ("gpt2", "p" * 12 + "a")))
    by = {flag["contradicted_by"] for flag in flags(store, task)}
    assert by >= {refuted.verdict_id, named.verdict_id}
    assert len(by) == 3  # and the role graph
    store_verdict(store, verdict)  # judged again to the same end: all of it still holds
    still = {f["contradicted_by"] for f in flags(store, task) if f["verdict"] == verdict.verdict_id}
    assert still == by
    again = judged(task, *((family, "p" * 11 + "i") for family in ("gpt2", "llama", "neox")))
    assert again.verdict_id == verdict.verdict_id
    assert again.outcome is Outcome.UNDECIDED
    store_verdict(store, again)
    assert flags(store, task) == []


def test_a_strong_verdict_that_nobody_can_read_keeps_nothing_from_being_stored(
    store: GraphStore,
) -> None:
    """An older release took some that say what cannot be."""
    task = "not readable"
    verdict = strong(store, task)
    store.write(
        lambda tx: tx.run(
            "MATCH (v:Verdict {verdict_id: $id}) SET v.document = '{}'", id=verdict.verdict_id
        ).consume()
    )
    store.write(lambda tx: write_role_graph(tx, measured(task, 0.1)))
    assert flags(store, task) == []
