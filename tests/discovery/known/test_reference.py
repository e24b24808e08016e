"""EAP, EAP-IG and exact scores of compiled programs equal the published ones; known circuits.

Two cases are kept here for every day; the others are read from the shared folder where it is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from discovery.engine.experiment import Experiment
from discovery.engine.pair_values import values
from discovery.known.ground_truth import Case, load_case
from discovery.methods.eap import eap
from discovery.methods.exact import exact
from discovery.methods.integrated_gradients import eap_ig
from discovery.methods.selection import Scores
from graph_schema.documents import Ablation, AblationSpec, EapIg, Metric
from tests.discovery.known.folders import every_case


def _experiment(case: Case, ablation: Ablation = Ablation.CORRUPT) -> Experiment:
    return Experiment(case.adapter, Metric.LINEAR, AblationSpec(kind=ablation), case.pairs)


def _scores(case: Case, method: str, experiment: Experiment) -> Scores:
    if method == "EAP":
        return eap(experiment, case.pairs, chunk=50)
    if method == "exact":
        return exact(experiment, case.pairs)
    return eap_ig(experiment, case.pairs, EapIg(steps=20, endpoint="clean"), chunk=50)


@every_case
@pytest.mark.parametrize("method", ["EAP", "EAP-IG-inputs(20)", "exact"])
def test_scores_equal_the_published_ones(folder: Path, method: str) -> None:
    case = load_case(folder)
    experiment = _experiment(case)
    names = experiment.graph.names()
    # Published scores are metric(patched) - metric(clean): minus a score of ours.
    wanted = np.array([-case.reference[method][name] for name in names])
    np.testing.assert_allclose(_scores(case, method, experiment), wanted, rtol=1e-4, atol=1e-4)


@every_case
def test_the_programs_own_circuit_is_the_whole_behaviour(folder: Path) -> None:
    case = load_case(folder)
    experiment = _experiment(case)
    graph = experiment.graph
    kept = graph.kept(case.truths["resample_minimal"])
    full, circuit = values(experiment, case.pairs, [graph.upstream, kept])
    np.testing.assert_allclose(circuit.loss, full.loss, atol=1e-3)
    np.testing.assert_array_equal(circuit.accuracy, full.accuracy)


@every_case
def test_exact_scores_rank_the_minimal_circuit_first(folder: Path) -> None:
    case = load_case(folder)
    experiment = _experiment(case)
    scores = np.abs(exact(experiment, case.pairs))
    inside = np.isin(experiment.graph.names(), sorted(case.truths["resample_minimal"]))
    assert scores[inside].min() > scores[~inside].max()
