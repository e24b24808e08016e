"""What artifacts of a circuit hold: scores of edges, names of units, descriptions of features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from graph_schema.artifacts import ArtifactStore
from graph_schema.documents import CircuitDocument, Features
from graph_schema.errors import DamagedError

UNITS = "units"
"""The name of the artifact that names all units that were candidates of a circuit's job."""
FEATURES = "features"
"""The name of the artifact that describes a circuit's units, and of its one array."""


def stored_scores(circuit: CircuitDocument, artifacts: ArtifactStore) -> dict[str, float]:
    """The score of every edge that has one, by name; empty where none were stored.

    Raises:
        NotFoundError: The artifact is gone.
        DamagedError: The artifact is damaged.
    """
    ref = circuit.artifacts.get("scores")
    if ref is None:
        return {}
    arrays = artifacts.load(ref)
    return dict(zip(arrays["names"].tolist(), arrays["scores"].tolist(), strict=True))


def stored_units(circuit: CircuitDocument, artifacts: ArtifactStore) -> tuple[str, ...]:
    """The names of all units that were candidates of the circuit's job; none where none are stored.

    Raises what `stored_scores` does.
    """
    ref = circuit.artifacts.get(UNITS)
    return () if ref is None else tuple(artifacts.load(ref)["names"].tolist())


def feature_arrays(features: Features) -> dict[str, NDArray[Any]]:
    """Descriptions of units as arrays of an artifact: JSON, in UTF-8."""
    data = features.model_dump_json().encode()
    return {FEATURES: np.frombuffer(data, dtype=np.uint8)}


def stored_features(circuit: CircuitDocument, artifacts: ArtifactStore) -> Features:
    """What is known of the circuit's own units, in its order; nothing where none was stored.

    Raises:
        NotFoundError: The artifact is gone.
        DamagedError: The artifact is damaged.
    """
    ref = circuit.artifacts.get(FEATURES)
    if ref is None:
        return Features(units=())
    try:
        found = Features.model_validate_json(artifacts.load(ref)[FEATURES].tobytes())
    except (ValidationError, LookupError) as error:
        raise DamagedError(
            f"artifact {ref.key!r} does not hold descriptions of features; submit the circuit's "
            "job again with --force"
        ) from error
    return found.of(circuit.unit_names)
