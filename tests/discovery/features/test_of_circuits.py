"""A job's circuits have their units described, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graph_schema.artifacts import FEATURES
from graph_schema.documents import Features
from tests.discovery.jobs.test_feature_discovery import data, run, sae


def test_every_neuron_of_a_circuit_is_described() -> None:
    found = run()
    assert found.features is not None
    (circuit,) = found.circuits
    assert {each.name for each in found.features.units} == set(circuit.unit_names)
    assert {each.dataset_sha256 for each in found.features.units} == {data().document.sha256}
    assert len(found.features.heldout) == len({pair.clean for pair in data().heldout})
    stored = Features.model_validate_json(np.asarray(found.arrays[FEATURES][FEATURES]).tobytes())
    assert stored == found.features
    figures = {node.name: node for node in circuit.nodes}
    assert all(figures[each.name].effect is not None for each in found.features.units)
    assert "features" in found.cpu_seconds


def test_features_of_a_dictionary_name_it(tmp_path: Path) -> None:
    loaded = sae(tmp_path)
    document = loaded[0].document
    found = run(
        loaded,
        granularity="dictionary",
        dictionaries=[document.model_dump()],
    )
    assert found.features is not None
    assert {each.dictionary_id for each in found.features.units} == {document.dictionary_id}
    assert all(each.name.startswith("m1.f") for each in found.features.units)


def test_circuits_of_heads_have_none() -> None:
    found = run(granularity="head", method={"name": "eap"}, candidates=None)
    assert found.features is None
    assert FEATURES not in found.arrays
    assert "features" not in found.cpu_seconds
