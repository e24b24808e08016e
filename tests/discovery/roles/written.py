"""Induction written down as weights: a previous-token head, an induction head, and how they meet.

Two layers of three heads in the compiled format. Head 1 of layer 0 writes which token came before,
head 2 of layer 1 looks for the current token among these and copies what it finds there. `key`: its
keys read the head itself; `through_m0`: they read what the MLP between has made of it; `half`:
both, each with half the weight. `pointer`: a duplicate-token head writes the position after the
earlier copy, and the second head's queries read that.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.evaluation.measured import Measured
from discovery.models.compiled import CompiledAdapter
from discovery.roles.cast import Cast
from discovery.tasks.induction import induction
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import AblationSpec, InductionTask, Metric, RoleName, Split
from graph_schema.documents.role import RolePlace

Wiring = Literal["key", "through_m0", "half", "pointer"]
VOCABULARY, CONTEXT, SHARP = 32, 40, 30.0
PREVIOUS, DUPLICATE, INDUCTION = "a0.h1", "a0.h0", "a1.h2"


def written(wiring: Wiring) -> CompiledAdapter:
    """The model: its residual stream has a block for tokens, positions, what came before, …"""
    n, p = VOCABULARY, CONTEXT
    token, position = slice(0, n), slice(n, n + p)
    handed = slice(n + p, n + 2 * p)  # by layer 0's head: a token before, or a position
    made = slice(n + 2 * p, 2 * n + 2 * p)  # by the MLP
    out = slice(2 * n + 2 * p, 3 * n + 2 * p)
    d_model, d_head = 3 * n + 2 * p, n + p
    weights: dict[str, NDArray[Any]] = {
        "W_E": np.zeros((n, d_model)),
        "W_pos": np.zeros((p, d_model)),
        "W_U": np.zeros((d_model, n)),
    }
    weights["W_E"][:, token] = np.eye(n)
    weights["W_pos"][:, position] = np.eye(p)
    weights["W_U"][out] = 8 * np.eye(n)
    for layer in (0, 1):
        for name in ("W_Q", "W_K", "W_V"):
            weights[f"L{layer}.{name}"] = np.zeros((3, d_model, d_head))
        weights[f"L{layer}.W_O"] = np.zeros((3, d_head, d_model))
        weights[f"L{layer}.W_in"] = np.zeros((d_model, n))
        weights[f"L{layer}.W_out"] = np.zeros((n, d_model))
    sharp = SHARP * np.sqrt(d_head)
    q, k, v, o = (weights[f"L0.W_{name}"] for name in "QKVO")
    if wiring == "pointer":
        # Like tokens attract, the place itself repels: what is left are the earlier copies.
        q[0, token, :n], k[0, token, :n] = sharp * np.eye(n), np.eye(n)
        q[0, position, n : n + p], k[0, position, n : n + p] = -sharp * np.eye(p), np.eye(p)
        v[0, position, :p] = np.eye(p, k=1)
        o[0, :p, handed] = np.eye(p)
    else:
        q[1, position, :p], k[1, position, :p] = sharp * np.eye(p, k=-1), np.eye(p)
        v[1, token, :n] = np.eye(n)
        o[1, :n, handed] = np.eye(n, p)
        weights["L0.W_in"][handed] = np.eye(p, n)
        weights["L0.W_out"][:, made] = np.eye(n)
    q, k, v, o = (weights[f"L1.W_{name}"] for name in "QKVO")
    if wiring == "pointer":
        q[2, handed, :p], k[2, position, :p] = sharp * np.eye(p), np.eye(p)
    else:
        q[2, token, :n] = sharp * np.eye(n)
        k[2, handed, :n] = {"key": 1.0, "through_m0": 0.0, "half": 0.5}[wiring] * np.eye(p, n)
        k[2, made, :n] = {"key": 0.0, "through_m0": 1.0, "half": 0.5}[wiring] * np.eye(n)
    v[2, token, :n] = np.eye(n)
    o[2, :n, out] = np.eye(n)
    config = {"n_layers": 2, "causal": True, "act": "relu"}
    return CompiledAdapter(
        {name: each.astype(np.float32) for name, each in weights.items()}, config
    )


def measured(adapter: CompiledAdapter, split: Split = Split.HELDOUT, seed: int = 0) -> Measured:
    """32 pairs of repeated sequences of one split."""
    task = InductionTask(length=24, min_period=6, max_period=12)
    made = induction(task, Vocabulary(VOCABULARY, n_ctx=CONTEXT), 32, seed)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), made.discovery)
    pairs = made.heldout if split is Split.HELDOUT else made.discovery
    return Measured(experiment, split, pairs, seed=seed)


def cast_of(split: Measured, wiring: Wiring) -> Cast:
    """Who plays what in it."""
    members: dict[RolePlace, tuple[str, ...]] = {RoleName.INDUCTION: (INDUCTION,)}
    if wiring == "pointer":
        members[RoleName.DUPLICATE_TOKEN] = (DUPLICATE,)
    else:
        members[RoleName.PREVIOUS_TOKEN] = (PREVIOUS,)
    taken = frozenset(name for names in members.values() for name in names)
    return Cast(split.experiment.graph, members, taken)
