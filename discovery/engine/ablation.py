"""Ablations: the value that takes a sender's write where an edge is not kept.

`corrupt` takes it from the pair's corrupt prompt, `resample` from the clean prompt of another
discovery pair, `mean` is the clean writes of the other discovery pairs of the same length averaged
by position, `zero` is nothing. The output projection's bias belongs to no sender and always stays.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from discovery.engine.forward import run
from discovery.engine.graph import Graph
from discovery.engine.means import Means, Show
from discovery.engine.splice import Basis
from discovery.engine.writes import Writes
from discovery.models import Batch, ModelAdapter
from discovery.tasks.base import TokenIds, TokenPair
from discovery.tasks.means import FEWEST, check_means, prompts_of_length
from graph_schema.documents import Ablation, AblationSpec
from graph_schema.errors import DatasetError


@dataclass(frozen=True)
class Example:
    """A pair (its `index` among the pairs given) and the prompt that its ablated values come from.

    Under `resample` a pair has one example a draw; its metric is their mean.
    """

    index: int
    pair: TokenPair
    source: TokenIds | None


class Ablator:
    """Ablated values under one spec, from the discovery pairs alone.

    A pair can be ablated when discovery has what it takes: for `resample` a prompt of the same
    length with another answer (where nobody has answers, another prompt will do); for `mean` seven
    other prompts of that length. What asks the pair's own prompt is left out of its mean, which
    would hold a part of what it is to take away.
    """

    def __init__(
        self,
        spec: AblationSpec,
        adapter: ModelAdapter,
        graph: Graph,
        pairs: Sequence[TokenPair],
        *,
        seed: int,
        dtype: torch.dtype,
        basis: Basis | None = None,
    ) -> None:
        self._basis = basis
        self.kind = spec.kind
        self.draws = spec.draws if spec.kind is Ablation.RESAMPLE else 1
        self._adapter, self._graph, self._dtype = adapter, graph, dtype
        self._pairs, self._seed = tuple(pairs), seed
        self._means = self.means(self._run)

    def means(self, show: Show) -> Means:
        """Means over discovery of what a run shows."""
        return Means(self._adapter, [pair.clean for pair in self._pairs], show)

    def covers(self, pairs: Sequence[TokenPair]) -> NDArray[np.bool_]:
        """Which of `pairs` discovery can ablate."""
        if self.kind is Ablation.MEAN:
            return prompts_of_length(pairs, self._pairs) >= FEWEST
        if self.kind is Ablation.RESAMPLE:
            return np.any(_partners(pairs, self._pairs), axis=1)
        return np.ones(len(pairs), dtype=np.bool_)

    def examples(self, pairs: Sequence[TokenPair]) -> list[Example]:
        """`pairs` with the prompts of their ablated values.

        Raises:
            DatasetError: Discovery does not cover a pair; names the pair and its length.
        """
        if self.kind is Ablation.MEAN:
            check_means(pairs, self._pairs)
        if not (covered := self.covers(pairs)).all():
            pair = pairs[int(np.argmin(covered))]
            raise DatasetError(
                f"pair {pair.id}: ablation {self.kind.value!r} finds no discovery pair of its "
                f"length ({len(pair.clean)} tokens) with another clean prompt and another answer; "
                "use ablation 'corrupt' or 'zero', or submit more pairs of this length"
            )
        if self.kind is Ablation.RESAMPLE:
            return [
                Example(index, pair, self._pairs[place].clean)
                for index, (pair, places) in enumerate(zip(pairs, self.drawn(pairs), strict=True))
                for place in places.tolist()
            ]
        corrupt = self.kind is Ablation.CORRUPT
        return [
            Example(index, pair, pair.corrupt if corrupt else None)
            for index, pair in enumerate(pairs)
        ]

    def drawn(self, pairs: Sequence[TokenPair]) -> Int[np.ndarray, "pair draw"]:
        """Under `resample`: which discovery pair each draw takes its clean prompt from, by place.

        The draws are of all of `pairs` together and of the seed: a part of them draws others.
        """
        rng = np.random.default_rng(self._seed)
        allowed = _partners(pairs, self._pairs)
        return np.stack([_assign(allowed, rng) for _ in range(self.draws)], axis=1)

    def writes(self, examples: Sequence[Example], batch: Batch, source: Batch | None) -> Writes:
        """Every sender's ablated write; `source` is the batch of the examples' sources."""
        if source is not None:
            return self._run(source)
        graph, like = self._graph, torch.zeros(0, dtype=self._dtype, device=self._adapter.device)
        dense = like.new_zeros((graph.n_dense, *batch.tokens.shape, self._adapter.shape.d_model))
        units = like.new_zeros((graph.n_directed, *batch.tokens.shape))
        if self.kind is Ablation.MEAN:
            prompts = [example.pair.clean for example in examples]
            own = self._run(batch) if self._means.need_own(prompts) else None
            self._means.put(prompts, own, (dense, units))
        return Writes(dense, units)

    def _run(self, batch: Batch) -> Writes:
        found = run(self._adapter, self._graph, batch, self._dtype, basis=self._basis)
        return Writes(found.writes, found.units)


def _alike(pairs: Sequence[TokenPair], pool: Sequence[TokenPair]) -> NDArray[np.bool_]:
    """[pair, pool]: same length, another clean prompt."""
    lengths = np.array([len(pair.clean) for pair in pairs])
    pool_lengths = np.array([len(pair.clean) for pair in pool])
    mine, theirs = _numbered([pair.clean for pair in pairs], [pair.clean for pair in pool])
    return (lengths[:, None] == pool_lengths) & (mine[:, None] != theirs)


def _partners(pairs: Sequence[TokenPair], pool: Sequence[TokenPair]) -> NDArray[np.bool_]:
    """[pair, pool]: same length, another clean prompt, and another answer if there are any."""
    answers, pool_answers = [_answer(pair) for pair in pairs], [_answer(pair) for pair in pool]
    mine, theirs = _numbered(answers, pool_answers)
    silent = np.array([answer is None for answer in answers], dtype=np.bool_)
    return _alike(pairs, pool) & ((mine[:, None] != theirs) | silent[:, None])


def _numbered(
    mine: Sequence[Hashable], theirs: Sequence[Hashable]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Both as numbers, equal where the values are."""
    numbers: dict[Hashable, int] = {}
    one, two = (
        [numbers.setdefault(each, len(numbers)) for each in side] for side in (mine, theirs)
    )
    return np.array(one, dtype=np.intp), np.array(two, dtype=np.intp)


def _answer(pair: TokenPair) -> Hashable:
    """What tells answers apart (a numerical program's are in the weights alone); None: nothing."""
    return (pair.answers, pair.weights) if any(pair.answers) or pair.weights else None


def _assign(allowed: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.intp]:
    """A random partner for each row: a one-to-one assignment where there is one.

    Rows that a one-to-one assignment leaves out (one answer in the majority) draw freely.
    """
    rows, columns = (rng.permutation(n) for n in allowed.shape)
    shuffled = csr_array(allowed[np.ix_(rows, columns)])
    matched = maximum_bipartite_matching(shuffled, perm_type="column")
    chosen = np.empty(len(rows), dtype=np.intp)
    for place, row in enumerate(rows):
        found = int(matched[place])
        chosen[row] = columns[found] if found >= 0 else rng.choice(np.flatnonzero(allowed[row]))
    return chosen
