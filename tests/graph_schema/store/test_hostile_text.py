"""Whatever text stands in a field, the graph holds exactly that text and nothing else happens.

Fields are found by walking the documents, so a new one is tried without being listed here. Every
writer of records is tried, or the last table says why not. What a document refuses (choices, ids,
names of components, motifs and roles) is not written at all.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, cast

import pytest
from pydantic import ValidationError

from graph_schema.documents import Component, Document, Features
from graph_schema.documents.jobs import ErrorDocument, JobProgress
from graph_schema.documents.remark import Remark
from graph_schema.errors import CircuitServiceError
from graph_schema.motifs import find_motif
from graph_schema.store import jobs, records
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.annotations import read_annotations, write_annotation
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.datasets import read_dataset, write_dataset
from graph_schema.store.records.evaluations import read_evaluations, write_evaluation
from graph_schema.store.records.features import read_features, write_features
from graph_schema.store.records.imports import write_imported
from graph_schema.store.records.models import find_model, write_model
from graph_schema.store.records.motif_tests import write_motif_test
from graph_schema.store.records.motifs import read_motifs, write_motif
from graph_schema.store.records.remarks import read_remarks, write_remarks
from graph_schema.store.records.reports import read_report, write_report
from graph_schema.store.records.role_graphs import read_role_graph, write_role_graph
from graph_schema.store.records.role_tests import read_role_tests, write_roles
from graph_schema.store.records.runs import run_of_circuit
from graph_schema.store.records.specificity import read_specificity_of_job, write_specificity
from graph_schema.store.records.verdicts import read_verdict, write_verdict
from tests import findings
from tests.factories import (
    make_circuit,
    make_circuit_evaluation,
    make_dataset,
    make_imported,
    make_model,
    make_run,
)
from tests.feature_circuits import described, feature_circuit, traced_circuit
from tests.graph_schema.store.test_jobs import PLACEMENT, a_spec

HOSTILE = (
    'a\' OR "1"="1 `b` $c {d: 1} }) DETACH DELETE x // /* # -- ; ]] '
    "\\u0027 \\' \\\\ %27 ${jndi:x} <script>alert(1)</script> =cmd|'/C calc'!A0 "
    "MATCH (n) SET n:Owned REMOVE n:Canary \t\r\n \x1b[2J \u202e \u2028 \U0001f600"
)
CANARY = "CREATE (:Canary {name: 'canary', untouched: true})"
COUNTS = """
MATCH (n) WHERE NOT n:Schema
RETURN labels(n)[0] AS kind, count(n) AS n ORDER BY kind
"""
RELATIONSHIPS = "MATCH ()-[r]->() RETURN type(r) AS kind, count(r) AS n ORDER BY kind"


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where text stands in a document's values."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, item in cast("dict[Any, Any]", value).items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list | tuple):
        for place, item in enumerate(cast("list[Any]", value)):
            yield from leaves(item, (*path, place))


def replaced(value: Any, path: tuple[Any, ...], text: str) -> Any:
    if not path:
        return text
    first, *rest = path
    if isinstance(value, dict):
        return {**value, first: replaced(value[first], tuple(rest), text)}
    items = list(cast("list[Any]", value))
    items[first] = replaced(items[first], tuple(rest), text)
    return items


def finds_another(values: Any, path: tuple[Any, ...]) -> bool:
    """Whether the text is an id or a node's name, by which records find each other."""
    for part in path:
        values = values[part]
    try:
        return re.fullmatch("[0-9a-f]{64}", values) is not None or bool(Component.parse(values))
    except CircuitServiceError:
        return False


def filled(document: Document, keep: tuple[str, ...] = (), *, least: int = 1) -> Any:
    """The document with hostile text in every field that takes any, at `least` so many.

    Ids by which records find each other (`keep`) stay: the stores refuse what leads nowhere.
    """
    values = document.model_dump(mode="json")
    taken = 0
    for path in list(leaves(values)):
        if set(path) & set(keep) or finds_another(values, path):
            continue
        tried = replaced(values, path, HOSTILE)
        try:
            type(document).model_validate(tried)
        except (ValidationError, CircuitServiceError):
            continue  # a choice, an id, a name of ours: it takes no other text
        values, taken = tried, taken + 1
    assert taken >= least, f"{type(document).__name__}: {taken} fields take text"
    return type(document).model_validate(values)


IDS = (
    *("circuit_id", "job_id", "model", "fingerprint", "task_id", "dataset_sha256", "sha256"),
    *("motif_id", "motif", "role_test_id", "component", "sender", "receiver", "name", "one", "two"),
)
Records = Callable[[GraphStore], Iterator[tuple[str, Any, Any]]]


def _written(store: GraphStore, write: Callable[..., Any], *given: Any) -> None:
    store.write(lambda tx: write(tx, *given))


def _circuits(store: GraphStore) -> Iterator[tuple[str, Any, Any]]:
    for made in (make_circuit(), feature_circuit(), traced_circuit(), make_imported()):
        circuit = filled(made, ("circuit_id", "edges", "fingerprint"), least=3)
        run = filled(make_run(made.circuit_id), ("job_id",))
        write = write_imported if circuit.job_id is None else write_circuit
        _written(store, write, circuit, *([run] if write is write_circuit else []))
        yield "circuit", read_circuit(store, circuit.circuit_id), circuit
        if write is write_circuit:
            yield "run", run_of_circuit(store, circuit.circuit_id), run
    model = filled(make_model("another"), least=2)
    _written(store, write_model, model)
    yield "model", find_model(store, model.fingerprint), model


def _about_circuits(store: GraphStore) -> Iterator[tuple[str, Any, Any]]:
    circuit = feature_circuit()
    _written(store, write_circuit, circuit)
    for kind in ("note", "label", "group"):
        said = findings.annotation(circuit.circuit_id, "m0.f17").model_copy(update={"kind": kind})
        remark = filled(said, ("circuit_id", "component", "also"), least=2)
        _written(store, write_annotation, remark)
        stored = {each.kind: each for each in read_annotations(store, circuit.circuit_id)}
        yield kind, stored[kind].model_copy(update={"at": None}), remark
    note = Remark(on="circuit", id=circuit.circuit_id, kind="note", text="a", author="b")
    note = filled(note, ("id",))
    _written(store, write_remarks, [note])
    yield "note", read_remarks(store, [note.id])[0].model_copy(update={"at": None}), note
    shown = filled(Features(units=(described("m0.f17"),)), ("name",))
    _written(store, write_features, circuit, shown.units)
    features = [each for each in read_features(store, circuit.circuit_id) if each.name == "m0.f17"]
    assert HOSTILE in str(features[0]) or repr(HOSTILE)[1:-1] in repr(features[0])
    judged = filled(make_circuit_evaluation(circuit), IDS, least=2)
    _written(store, write_evaluation, judged)
    (found,) = read_evaluations(store, circuit.circuit_id)
    yield "evaluation", found, judged


def _data(store: GraphStore) -> Iterator[tuple[str, Any, Any]]:
    dataset = make_dataset(HOSTILE, HOSTILE)
    _written(store, write_dataset, dataset)
    yield "dataset", read_dataset(store, dataset.sha256), dataset


def _roles(store: GraphStore) -> Iterator[tuple[str, Any, Any]]:
    _written(store, write_circuit, make_circuit())
    played = filled(findings.roles_played(), IDS)
    _written(store, write_roles, played, make_run())
    (found,) = read_role_tests(store, played.model.fingerprint, played.task_id)
    yield "roles", found, played
    graph = filled(findings.role_graph(), IDS)
    _written(store, write_role_graph, graph)
    yield "role graph", read_role_graph(store, graph.role_graph_id), graph
    rows = filled(findings.specificity(findings.roles_played()), IDS)
    _written(store, write_specificity, rows, make_run())
    yield "specificity", read_specificity_of_job(store, make_run().job_id), rows


def _motifs(store: GraphStore) -> Iterator[tuple[str, Any, Any]]:
    circuit = make_circuit()
    _written(store, write_circuit, circuit)
    motif = filled(find_motif("induction"))
    _written(store, write_motif, motif)
    yield "motif", {each.motif_id: each for each in read_motifs(store)}[motif.motif_id], motif
    test = filled(findings.motif_test(circuit.circuit_id), IDS)
    _written(store, write_motif_test, [find_motif("induction")], test)
    reasons = "MATCH (:MotifTest)-[r:RESULT]->(:Motif) RETURN r.reason AS reason"
    yield "motif test", store.rows(reasons), [{"reason": HOSTILE}]


def _judged(store: GraphStore) -> Iterator[tuple[str, Any, Any]]:
    models = [(make_model("one", HOSTILE), "ppp"), (make_model("two"), "ppa")]
    for model, _ in models:
        _written(store, write_model, model)
    _written(store, write_motif, find_motif("induction"))
    made = findings.verdict(models=[findings.finding(*each) for each in models])
    verdict = filled(made, IDS, least=4)
    _written(store, write_verdict, verdict)
    yield "verdict", read_verdict(store, verdict.verdict_id), verdict
    report = filled(findings.report(make_run().job_id, "assumed", verdicts=[made]), IDS, least=6)
    _written(store, write_report, report)
    yield "report", read_report(store, report.job_id), report
    families = store.rows("MATCH (f:ModelFamily) RETURN f.name AS name ORDER BY name")
    yield "families", families, [{"name": name} for name in sorted([HOSTILE, "gpt2"])]


def _a_job(store: GraphStore) -> Iterator[tuple[str, Any, Any]]:
    spec = filled(a_spec(), ("fingerprint", "sha256"))
    placement = filled(PLACEMENT, least=2)
    record = jobs.submit(store, spec, placement).record
    yield "spec", type(spec).model_validate_json(record.spec), spec
    yield "placement", type(placement).model_validate_json(record.placement), placement
    assert jobs.claim(store, record.job_id, HOSTILE, owner=HOSTILE, lease=30.0, max_attempts=3)
    progress = filled(JobProgress(stage="scores", done=1, total=2))
    jobs.renew(store, record.job_id, HOSTILE, lease=30.0, progress=progress)
    error = filled(ErrorDocument(type="ModelError", message="no"), least=2)
    jobs.fail(store, record.job_id, HOSTILE, error)
    yield "error", jobs.get(store, record.job_id).error, error


RECORDS: dict[str, Records] = {
    "circuits": _circuits,
    "about circuits": _about_circuits,
    "data": _data,
    "roles": _roles,
    "motifs": _motifs,
    "judged": _judged,
    "a job": _a_job,
}


ON_BOTH = ("circuits", "roles", "judged", "a job")
"""Kinds tried on Neo4j too, which takes a second to plan each new statement."""


def _holds_exactly(store: GraphStore, kind: str) -> None:
    store.write(lambda tx: tx.run(CANARY).consume())
    for what, found, given in RECORDS[kind](store):
        assert found == given, what
    canary = store.rows("MATCH (n:Canary) RETURN n.name AS name, n.untouched AS untouched")
    assert canary == [{"name": "canary", "untouched": True}]
    assert not store.rows("MATCH (n:Owned) RETURN n")


@pytest.mark.parametrize("kind", ON_BOTH)
def test_the_graph_holds_exactly_the_text(store: GraphStore, kind: str) -> None:
    _holds_exactly(store, kind)


@pytest.mark.parametrize("kind", [kind for kind in RECORDS if kind not in ON_BOTH])
def test_the_embedded_graph_holds_exactly_the_text(embedded_store: GraphStore, kind: str) -> None:
    _holds_exactly(embedded_store, kind)


def _same_shape(store: GraphStore, write: Callable[[], Any]) -> tuple[Any, Any]:
    write()
    return store.rows(COUNTS), store.rows(RELATIONSHIPS)


def test_hostile_text_makes_no_more_than_harmless_text_does(store: GraphStore) -> None:
    made = traced_circuit()
    plain = _same_shape(store, lambda: _written(store, write_circuit, made))
    store.write(lambda tx: tx.run("MATCH (n) WHERE NOT n:Schema DETACH DELETE n").consume())
    evil = filled(made, ("circuit_id", "edges", "fingerprint"))
    assert _same_shape(store, lambda: _written(store, write_circuit, evil)) == plain


NOT_OF_ITS_OWN = {
    **dict.fromkeys(("write_header", "write_document", "write_labels"), "part of one that is"),
    **dict.fromkeys(("write_nodes", "write_components", "write_dictionaries"), "of a circuit"),
    **dict.fromkeys(("write_found",), "write_circuit, in parts"),
    **dict.fromkeys(("write_loaded", "write_derived"), "fingerprints, by a model"),
    **dict.fromkeys(("write_run", "write_run_of_circuit", "write_run_of_evaluation"), "a run"),
    **dict.fromkeys(("write_occurrences",), "names of components, which take no other text"),
    **dict.fromkeys(("write_results", "write_measured", "write_task"), "part of a test"),
    **dict.fromkeys(("write_alignment", "write_role_alignment"), "ids and figures, no text"),
    **dict.fromkeys(("write_rows", "write_batches", "write_groups"), "the ways to write"),
}


def test_every_writer_is_tried_or_said_why_not() -> None:
    """A new kind of record comes into the table above."""
    tried = {name for name, value in globals().items() if inspect.isfunction(value)}
    for module in pkgutil.iter_modules(records.__path__):
        for name, _ in inspect.getmembers(
            import_module(f"{records.__name__}.{module.name}"), inspect.isfunction
        ):
            if name.startswith("write_"):
                assert name in tried or name in NOT_OF_ITS_OWN, name
