"""A stored circuit of features, judged again: cut as its job cut it, so the same figures."""

from __future__ import annotations

from typing import Any

import pytest

from discovery.jobs.evaluate import judge
from discovery.progress import no_progress
from graph_schema.circuit_arrays import UNITS
from graph_schema.documents import Evaluation, Limits, sha256_hex
from graph_schema.documents.jobs import EvaluateSpec
from tests.discovery.jobs.test_feature_discovery import data, model, run

BY_THRESHOLD = {"kind": "threshold", "threshold": 0.05}
METHODS = [
    ({"name": "two-leg"}, {"kind": "edges", "n_edges": 40}),
    ({"name": "acdc"}, BY_THRESHOLD),
    (
        {"name": "acdc", "candidates": 30, "proposed_by": {"name": "mask-ig", "steps": 4}},
        {"kind": "threshold", "threshold": 0.01},
    ),
]


@pytest.mark.parametrize(("method", "selection"), METHODS)
def test_the_figures_are_those_of_the_discovery(
    method: dict[str, Any], selection: dict[str, Any]
) -> None:
    """`acdc` over proposed edges looks at few units, and the others are no part of `rest`."""
    found = run(method=method, selection=selection, candidates={"n": 30})
    (circuit,) = found.circuits
    again = judge(
        EvaluateSpec.model_validate(
            {
                "model": {"fingerprint": "0" * 40},
                "data": {"kind": "dataset", "sha256": sha256_hex("made"), "task": "made"},
                "circuit_id": circuit.circuit_id,
                "metric": circuit.metric,
            }
        ),
        circuit.model_copy(update={"job_id": None}),
        dict.fromkeys(found.arrays["scores"]["names"].tolist(), 0.0),
        model(),
        data(),
        limits=Limits(),
        progress=no_progress,
        units=found.arrays[UNITS]["names"].tolist(),
    ).evaluation.evaluation
    assert circuit.evaluation is not None
    assert _figures(again) == pytest.approx(_figures(circuit.evaluation), abs=1e-6)


def _figures(evaluation: Evaluation) -> list[float | None]:
    assert evaluation.error_share is not None
    figures = (
        evaluation.faithfulness,
        evaluation.heldout_faithfulness,
        evaluation.complement_faithfulness,
        evaluation.error_share,
    )
    return [figure.value for figure in figures]
