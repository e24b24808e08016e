"""The attribution graph of one prompt: nodes, weights between them, what each node is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from discovery.dictionaries.protocol import Dictionary
from discovery.models import ModelAdapter
from discovery.progress import Progress, no_progress
from discovery.tracing.choosing import POOL, Rows, columns_of
from discovery.tracing.cut import Cut
from discovery.tracing.frozen import FrozenModel
from discovery.tracing.heads import Heads
from discovery.tracing.logits import Logits, logits_of
from discovery.tracing.reach import reach
from discovery.tracing.sources import Sources
from graph_schema.documents import Channel, Trace
from graph_schema.documents.component import logit_name, placed_name
from graph_schema.errors import ModelError, NonFiniteError, SpecError


@dataclass(frozen=True)
class Traced:
    """A graph before it is pruned.

    Attributes:
        names: Of the nodes, in the order of the columns: units, then rests, errors and embeddings,
            then logits.
        weights: By channel [node, node], row = target; rows of what is no target are 0.
        chosen: Columns of the sources that are nodes; what units have others stands in rests.
        values: What each node is worth; NaN of rests, errors and embeddings.
    """

    model: FrozenModel
    sources: Sources
    logits: Logits
    names: tuple[str, ...]
    weights: dict[Channel, Tensor]
    values: NDArray[np.float64]
    chosen: frozenset[int]
    n_active: int


def trace(
    adapter: ModelAdapter,
    tokens: Sequence[int],
    dictionaries: Sequence[Dictionary],
    method: Trace,
    *,
    targets: Sequence[int] = (),
    progress: Progress = no_progress,
) -> Traced:
    """The graph of one prompt.

    Args:
        adapter: The model.
        tokens: The prompt.
        dictionaries: Whose units may be nodes: `NeuronBasis` of every layer, or what was loaded.
        method: Sizes and thresholds.
        targets: Tokens whose logits are nodes; none: the likeliest.
        progress: Stages "run" and "rows".

    Raises:
        SpecError: A dictionary that is not of an MLP; a prompt with no position that has nodes.
        ModelError: A norm that has no closed form, or attention that looks ahead.
        NonFiniteError: A weight is NaN or infinite.
    """
    check_model(adapter, heads=method.heads)
    if len(tokens) <= method.skip_positions:
        raise SpecError(
            f"the prompt has {len(tokens)} tokens, and the first {method.skip_positions} have no "
            "nodes: give a longer prompt, or fewer skip_positions"
        )
    model = FrozenModel.of(adapter, list(tokens), partial(progress, "run"))
    cuts = [Cut(model, each, method.skip_positions) for each in dictionaries]
    found = logits_of(
        model, targets, most=method.max_n_logits, probability=method.desired_logit_prob
    )
    n_active = sum(len(cut.active.unit) for cut in cuts)
    most = min(method.max_feature_nodes, n_active)
    pool = most * POOL
    if n_active > pool:
        kept = columns_of(reach(model, cuts, found.vectors, found.probability), pool)
    else:
        kept = [torch.arange(len(cut.active.unit)) for cut in cuts]
    layers = range(len(model.layers)) if method.heads else ()
    heads = [Heads(model, layer, method.skip_positions) for layer in layers]
    n_active += sum(len(each.active.unit) for each in heads)
    kept += [torch.arange(len(each.active.unit)) for each in heads]
    most = min(method.max_feature_nodes, n_active)
    sources = Sources(model, [*cuts, *heads], kept, method.skip_positions, limited=n_active > most)
    rows = Rows(model, cuts, sources, found.reads(model), found.probability)
    rows.choose(most, partial(progress, "rows"))
    return _assembled(model, sources, rows, found, n_active)


def _assembled(
    model: FrozenModel, sources: Sources, rows: Rows, logits: Logits, n_active: int
) -> Traced:
    """Square matrices: chosen units, blocks, logits; what was not chosen goes to its rest."""
    chosen = torch.from_numpy(rows.chosen)
    order = torch.argsort(chosen)
    n_units, n_blocks = len(chosen), sources.n - sources.n_units
    weights = rows.weights
    if not bool(torch.isfinite(weights).all()):
        raise NonFiniteError(
            "an edge of the graph is NaN or infinite, from an overflow in the model; use a wider "
            "dtype"
        )
    blocks = weights[:, sources.n_units :].clone()
    free = torch.ones(sources.n_units, dtype=torch.bool)
    free[chosen] = False
    for units, rest in zip(sources.units, sources.rests, strict=True):
        mine = free[units.first : units.first + len(units.index)].nonzero()[:, 0]
        if len(mine):
            assert rest is not None, "units are left out where there are too many"
            places = units.cut.active.position[units.index[mine]] - rest.start
            columns = places + (rest.first - sources.n_units)
            blocks.index_add_(1, columns, weights[:, mine + units.first])
    n_logits = len(logits.token)
    n = n_units + n_blocks + n_logits
    # Rows are numbered by logits, then by what was chosen, as it came; nodes go the other way.
    place = torch.cat([torch.arange(n - n_logits, n), torch.argsort(order)])
    squares: dict[Channel, Tensor] = {}
    for channel in dict.fromkeys(rows.channels):
        mine = torch.tensor([each == channel for each in rows.channels]).nonzero()[:, 0]
        square = weights.new_zeros((n, n))
        targets = place[rows.nodes[mine]]
        square[targets, :n_units] = weights[mine][:, chosen[order]]
        square[targets, n_units : n - n_logits] = blocks[mine]
        squares[channel] = square
    names = sources.names
    last = model.n_positions - 1
    values = np.full(n, np.nan)
    every = torch.cat([each.cut.active.value[each.index] for each in sources.units])
    values[:n_units] = every[chosen[order]].double().cpu().numpy()
    values[n - n_logits :] = logits.value.double().cpu().numpy()
    return Traced(
        model,
        sources,
        logits,
        (
            *(names[i] for i in chosen[order].tolist()),
            *names[sources.n_units :],
            *(placed_name(logit_name(int(token)), last) for token in logits.token),
        ),
        squares,
        values,
        frozenset(chosen.tolist()),
        n_active,
    )


def check_model(adapter: ModelAdapter, *, heads: bool = False) -> None:
    """Refuse attention that looks ahead, and heads as nodes where their keys are not their own.

    Raises:
        ModelError: It does, or they are not.
    """
    if adapter.bidirectional:
        raise ModelError(
            "an attribution graph runs from earlier positions to later ones, and this model's "
            "attention looks ahead; expected a causal one"
        )
    if heads and adapter.smears_keys:
        raise ModelError(
            "this model's keys read the position before them too, so its heads cannot be nodes of "
            "an attribution graph; trace without heads"
        )
