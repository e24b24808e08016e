"""Which model comes from which, on both servers: no circle, also of those who write at once."""

from __future__ import annotations

import pytest

from graph_schema.comparing.circuits import compare
from graph_schema.documents import sha256_hex
from graph_schema.documents.comparison import Scope
from graph_schema.errors import SpecError
from graph_schema.motifs import find_motif
from graph_schema.store.connection import GraphStore
from graph_schema.store.questions.ask import ask
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.models import ancestors, find_model, write_derived, write_model
from graph_schema.store.records.motifs import write_motif
from graph_schema.store.records.role_tests import write_roles
from graph_schema.store.records.verdicts import write_verdict
from tests.at_once import at_once
from tests.factories import make_circuit, make_model
from tests.findings import finding, roles_played, verdict


def written(store: GraphStore, *names: str) -> list[str]:
    """The fingerprints of models, stored."""
    models = [make_model(name) for name in names]
    for model in models:
        store.write(lambda tx, model=model: write_model(tx, model))
    return [model.fingerprint for model in models]


def test_what_a_model_comes_from_is_found_however_far_back(store: GraphStore) -> None:
    a, b, c = written(store, "a", "b", "c")
    write_derived(store, c, b)
    write_derived(store, b, a)
    assert ancestors(store) == {c: {a, b}, b: {a}}
    with pytest.raises(SpecError, match="name the later checkpoint first"):
        write_derived(store, a, c)


def test_of_four_that_close_a_circle_at_once_one_is_refused(store: GraphStore) -> None:
    for turn in range(3):
        models = written(store, *(f"{turn} {name}" for name in "abcd"))
        pairs = list(zip(models, [*models[1:], models[0]], strict=True))
        got = at_once(4, lambda index, pairs=pairs: write_derived(store, *pairs[index]))
        assert [type(each) for each in got if each is not None] == [SpecError]
        assert not any(model in before for model, before in ancestors(store).items())


def test_models_of_the_same_weights_are_one(store: GraphStore) -> None:
    """The hub's commit, a folder of it, and a commit of another README, beside another model."""
    hub = make_model("org/model", fingerprint="a" * 40, weights_sha256="1" * 64)
    readme = make_model("org/model", fingerprint="b" * 40, weights_sha256="1" * 64)
    folder = make_model("model", fingerprint="c" * 64, weights_sha256="1" * 64)
    other = make_model("other", weights_sha256="2" * 64)
    unknown = make_model("unknown")
    models = (hub, readme, folder, other, unknown)
    circuits = [make_circuit(model=model, job=str(at)) for at, model in enumerate(models)]
    ioi = make_circuit(model=folder, job="ioi", task="ioi", task_id=sha256_hex("ioi"))
    for circuit in (*circuits, ioi):
        store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
    for model in (hub, other):
        store.write(lambda tx, model=model: write_roles(tx, roles_played(model)))

    by_model = {row[1]: row[2:] for row in ask(store, "induction-in-models").rows}
    assert by_model == {"model": (4, 1, 1, 1), "other": (1, 1, 1, 1), "unknown": (1, 0, 0, 0)}
    depths = ask(store, "role-depth", {"role": "induction"}).rows
    assert [row[2:4] for row in depths] == [(2, 2)]
    # Named by what two of them are called, it is one model and no ambiguity.
    asked = {"model": "org/model", "component": "a1.h2"}
    assert [row[3] for row in ask(store, "same-part", asked).rows] == ["other"]
    shared = ask(store, "shared-components", {"model": "org/model"}).rows
    assert ("a1.h2", "head", 2, 4) in [row[:4] for row in shared]

    one, two = (read_circuit(store, circuits[number].circuit_id) for number in (0, 2))
    assert compare(one, two).scope is Scope.ONE_MODEL
    assert compare(one, read_circuit(store, circuits[-1].circuit_id)).scope is Scope.ACROSS_MODELS

    store.write(lambda tx: write_motif(tx, find_motif("induction")))
    twice = verdict(models=[finding(hub, "ppp"), finding(folder, "ppp")])
    with pytest.raises(SpecError, match="'model', 'org/model' have the same weights and are one"):
        store.write(lambda tx: write_verdict(tx, twice))
    write_derived(store, folder.fingerprint, other.fingerprint)
    assert ancestors(store)[hub.fingerprint] == {other.fingerprint}
    with pytest.raises(SpecError, match="same weights"):
        write_derived(store, folder.fingerprint, hub.fingerprint)


def test_weights_that_are_known_stay_known(store: GraphStore) -> None:
    """A file is imported with nothing loaded: the graph's word for its weights is told on."""
    known = make_model(weights_sha256="1" * 64)
    for model in (known, make_model()):
        circuit = make_circuit(model=model, job=str(model.weights_sha256))
        store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
        assert read_circuit(store, circuit.circuit_id).model == known
    assert find_model(store, known.fingerprint[:8]) == known
