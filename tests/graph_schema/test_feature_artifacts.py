"""Descriptions of units as an artifact: written, read back for a circuit's own, refused if bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graph_schema.artifacts import ArtifactStore
from graph_schema.circuit_arrays import feature_arrays, stored_features
from graph_schema.documents import (
    CircuitDocument,
    Features,
)
from graph_schema.errors import ResourceError
from tests.factories import make_circuit, make_edges
from tests.feature_circuits import described, traced_circuit


def on_units(*edges: tuple[str, str]) -> CircuitDocument:
    return make_circuit(edges=make_edges([(a, b, "r", 1.0) for a, b in edges]))


def test_a_circuit_s_units_are_its_neurons_and_features_in_order() -> None:
    circuit = on_units(
        ("m1.n5", "logits"), ("input", "m0.f12"), ("m0.f12", "m1.n5"), ("m0.f3", "m1.rest")
    )
    assert circuit.unit_names == ("m0.f3", "m0.f12", "m1.n5")
    assert traced_circuit().unit_names == ("m0.f17",)


def test_a_circuit_reads_descriptions_of_its_own_units(tmp_path: Path) -> None:
    artifacts = ArtifactStore(str(tmp_path))
    every = Features(
        units=(described("m1.n5"), described("m0.f12"), described("m0.f9")),
        heldout=(("a", "b"),),
    )
    ref = artifacts.save("job/features", feature_arrays(every))
    circuit = on_units(("input", "m0.f12"), ("m0.f12", "m1.n5"))
    assert stored_features(circuit, artifacts).units == ()
    kept = circuit.model_copy(update={"artifacts": {"features": ref}})
    found = stored_features(kept, artifacts)
    assert [each.name for each in found.units] == ["m0.f12", "m1.n5"]
    assert found.heldout == every.heldout
    assert found.units[0] == every.units[1]
    (example,) = found.units[0].examples
    assert example.peak == 2.5
    assert example.marked(4) == "… and« Mary» we…"


def test_an_artifact_of_something_else_is_refused(tmp_path: Path) -> None:
    artifacts = ArtifactStore(str(tmp_path))
    for arrays in ({"features": np.zeros(3, dtype=np.uint8)}, {"names": np.array(["a"])}):
        ref = artifacts.save("job/features", arrays)
        circuit = on_units(("input", "m0.f12")).model_copy(update={"artifacts": {"features": ref}})
        with pytest.raises(ResourceError, match="descriptions of features"):
            stored_features(circuit, artifacts)
