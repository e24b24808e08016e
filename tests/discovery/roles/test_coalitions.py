"""What heads are worth among their kin, against every order there is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from discovery.engine.experiment import Experiment
from discovery.engine.pair_values import values
from discovery.roles import coalitions
from discovery.roles.causal import head_effects
from discovery.roles.coalitions import kin_effects, orders
from graph_schema.documents import AblationSpec, Metric
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import tiny

KIN = [(0, 0), (0, 2), (1, 1)]


def test_values_sum_to_what_all_of_them_are_worth_together() -> None:
    pairs = made_pairs(4)
    experiment = Experiment(tiny("llama"), Metric.LOGIT_DIFF, AblationSpec(), pairs)
    found = kin_effects(experiment, pairs, KIN, seed=0, chunk=3)
    without = experiment.graph.upstream.copy()
    without[[experiment.graph.head_sender(*head) for head in KIN]] = False
    clean, left = values(experiment, pairs, [experiment.graph.upstream, without])
    assert np.allclose(found.sum(0), left.loss - clean.loss, atol=1e-5)


def test_they_are_shapley_values(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = made_pairs(4)
    experiment = Experiment(tiny("gpt2"), Metric.LOGIT_DIFF, AblationSpec(), pairs)
    every = list(permutations(range(3)))

    def all_orders(n: int, seed: int) -> list[tuple[int, ...]]:
        return every

    monkeypatch.setattr(coalitions, "orders", all_orders)
    found = kin_effects(experiment, pairs, KIN, seed=0)
    wanted = np.zeros((3, 4))
    for order in every:
        for place, head in enumerate(order):
            before = [KIN[i] for i in order[:place]]
            left = head_effects(experiment, pairs, heads=[KIN[head]], without=before)
            wanted[head] += left.of(KIN[head]) / len(every)
    assert np.allclose(found, wanted, atol=1e-5)


def test_orders_come_with_their_reverse_and_fewer_for_many() -> None:
    found = orders(5, 0)
    assert len(found) == 16
    assert all(order[::-1] in found for order in found)
    assert orders(5, 0) == found != orders(5, 1)
    assert len(orders(40, 0)) == 2
