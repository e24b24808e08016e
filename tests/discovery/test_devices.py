"""Every method runs where the model is: a tensor left on the CPU would meet one that is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from discovery.engine import Experiment, values
from discovery.known.ground_truth import load_case
from discovery.methods.acdc import Pruner
from discovery.methods.eap import eap
from discovery.methods.integrated_gradients import eap_ig
from discovery.models import ModelAdapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import Ablation, AblationSpec, EapIg, Metric
from tests.discovery.cases import made_pairs
from tests.discovery.elsewhere import ELSEWHERE, moved, second_device
from tests.discovery.known.folders import KEPT
from tests.discovery.models.families import FAMILIES, tiny

PAIRS = made_pairs(16, lengths=(5, 4))
Numbers = dict[str, NDArray[Any]]


def _numbers(
    adapter: ModelAdapter,
    metric: Metric = Metric.LOGIT_DIFF,
    ablation: Ablation = Ablation.CORRUPT,
    pairs: tuple[TokenPair, ...] = PAIRS,
) -> Numbers:
    """What each method finds, and what a circuit's logits are judged by."""
    experiment = Experiment(adapter, metric, AblationSpec(kind=ablation), pairs)
    some = experiment.graph.upstream.copy()
    some[1::2] = False
    pruner = Pruner(experiment, pairs, some)
    (found,) = values(experiment, pairs, [some])
    numbers = {
        "eap-ig": eap_ig(experiment, pairs, EapIg(steps=2)),
        "acdc": pruner.run(abs(pruner.mean_gap()) / 50).rises,
        "circuit": np.asarray(found.loss),
    }
    if metric is not Metric.KL:
        numbers["eap"] = eap(experiment, pairs)
    return numbers


def _same(here: Numbers, there: Numbers) -> None:
    assert here.keys() == there.keys()
    for name, each in here.items():
        size = float(np.abs(each).max())
        np.testing.assert_allclose(there[name], each, atol=1e-4 * size, err_msg=name)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_runs_on_a_second_device(name: str) -> None:
    adapter = tiny(name, layers=1)
    with second_device():
        there = _numbers(type(adapter)(moved(adapter.model)))
    _same(_numbers(adapter), there)


@pytest.mark.parametrize(
    ("metric", "ablation"),
    [
        *((metric, Ablation.CORRUPT) for metric in Metric),
        *((Metric.LOGIT_DIFF, ablation) for ablation in Ablation),
    ],
)
def test_metrics_and_ablations_run_on_a_second_device(metric: Metric, ablation: Ablation) -> None:
    adapter = tiny("llama", layers=1)
    with second_device():
        there = _numbers(type(adapter)(moved(adapter.model)), metric, ablation)
    _same(_numbers(adapter, metric, ablation), there)


def test_paths_over_activations_run_on_a_second_device() -> None:
    adapter = tiny("gemma3", layers=1)
    method = EapIg(steps=2, over="activations")

    def scores(adapter: ModelAdapter) -> Numbers:
        experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), PAIRS)
        return {"eap-ig": eap_ig(experiment, PAIRS, method)}

    with second_device():
        there = scores(type(adapter)(moved(adapter.model)))
    _same(scores(adapter), there)


def test_a_compiled_program_runs_on_a_second_device() -> None:
    def numbers(device: torch.device) -> Numbers:
        case = load_case(KEPT / "ib03_frac_prevs", device=device)
        return _numbers(case.adapter, Metric.LINEAR, pairs=case.pairs[:2])

    with second_device():
        there = numbers(ELSEWHERE)
    _same(numbers(torch.device("cpu")), there)


def test_a_tensor_left_behind_is_told() -> None:
    with second_device():
        there = torch.ones(3, device=ELSEWHERE)
        assert there.device == ELSEWHERE
        with pytest.raises(RuntimeError, match="met a cpu tensor"):
            torch.add(there, torch.ones(3))
