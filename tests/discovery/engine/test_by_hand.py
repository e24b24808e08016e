"""A model whose every score one can work out: one layer, one head, one-hot embeddings.

Directions 0 and 1 say which token stands at a position. The head looks at all positions alike
(its queries are zero) and copies what it sees onto direction 2; the MLP passes direction 2 on to
direction 3 where it is positive; the output reads 2·x₂ + x₃ + x₀.
"""

from __future__ import annotations

import numpy as np
import pytest

from discovery.engine.experiment import Experiment
from discovery.engine.pair_values import values
from discovery.methods.eap import eap
from discovery.methods.exact import exact
from discovery.methods.integrated_gradients import eap_ig
from discovery.models import CompiledAdapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import AblationSpec, EapIg, Metric


def _adapter() -> CompiledAdapter:
    def zeros(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.zeros(shape, dtype=np.float32)

    weights = {
        "W_E": np.eye(2, 4, dtype=np.float32),
        "W_pos": zeros(2, 4),
        "W_U": np.array([[1], [0], [2], [1]], dtype=np.float32),
        "L0.W_Q": zeros(1, 4, 1),
        "L0.W_K": zeros(1, 4, 1),
        "L0.W_V": zeros(1, 4, 1),
        "L0.W_O": zeros(1, 1, 4),
        "L0.W_in": zeros(4, 1),
        "L0.W_out": zeros(1, 4),
    }
    weights["L0.W_V"][0, 0, 0] = 1
    weights["L0.W_O"][0, 0, 2] = 1
    weights["L0.W_in"][2, 0] = 1
    weights["L0.W_out"][0, 3] = 1
    return CompiledAdapter(weights, {"n_layers": 1, "act": "relu", "causal": False})


# Clean: token 0 twice, so the head writes 1. Corrupt: token 1 twice, so it writes 0.
PAIR = TokenPair(
    clean=(0, 0),
    corrupt=(1, 1),
    answers=((0,),),
    wrong_answers=((),),
    positions=(1,),
    id="pair",
    group="pair",
    weights=(((0, 1.0),),),
)
EXPERIMENT = Experiment(_adapter(), Metric.LINEAR, AblationSpec(), [PAIR])
# Clean output 2·1 + 1 + 1 = 4, corrupt output 0. What the loss rises by without an edge:
WANTED = {
    "embed->a0.h0<v>": 3.0,  # the head writes 0: no 2·x₂, no x₃
    "a0.h0->m0": 1.0,
    "embed->logits": 1.0,
    "a0.h0->logits": 2.0,
    "m0->logits": 1.0,
}


@pytest.mark.parametrize("method", ["exact", "eap", "eap-ig", "eap-ig over activations"])
def test_scores_are_those_worked_out(method: str) -> None:
    pairs, wanted = [PAIR], dict(WANTED)
    if method == "exact":
        scores = exact(EXPERIMENT, pairs)
    elif method == "eap":
        scores = eap(EXPERIMENT, pairs)
    elif method == "eap-ig":
        scores = eap_ig(EXPERIMENT, pairs, EapIg(steps=4, endpoint="clean"))
    else:
        scores = eap_ig(EXPERIMENT, pairs, EapIg(steps=4, over="activations"))
        # A third of the gradient comes from each path: input's, head's, MLP's. The head's value
        # counts 3, 0 (nothing flows through what is moved) and 2 (all but x₃); the MLP 1, 1 and 0.
        wanted |= {"embed->a0.h0<v>": 5 / 3, "a0.h0->m0": 2 / 3}
    found = dict(zip(EXPERIMENT.graph.names(), scores.tolist(), strict=True))
    # Every score: one of 1e-9 instead of 0 is the rounding of sums of float32.
    assert found == pytest.approx(dict.fromkeys(found, 0.0) | wanted, abs=1e-6)


def test_losses_are_those_worked_out() -> None:
    graph = EXPERIMENT.graph
    circuits = [
        graph.upstream,
        graph.none(),
        graph.kept(["embed->a0.h0<v>", "a0.h0->logits"]),
        graph.kept(["embed->a0.h0<v>", "a0.h0->m0", "m0->logits"]),
    ]
    found = [each.loss.item() for each in values(EXPERIMENT, [PAIR], circuits)]
    assert found == pytest.approx([-4, 0, -2, -1], abs=1e-6)
