"""Sparse matrices over pairs of nodes, and what a count of occurrences does with them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy import sparse

from graph_schema.documents.motif import DepthRelation
from graph_schema.motifs.draws import NEGATIVE, POSITIVE, Ints, Pairs, Relations, as_ints
from graph_schema.motifs.listing import COMPARE

CELLS = 4_000_000
"""Multiplications of a product that are done before what its mask leaves out is dropped."""


class Algebra:
    """Operations on matrices, each done once: terms of one sum have most of them in common."""

    def __init__(self, relations: Relations) -> None:
        self.relations = relations
        self._done: dict[tuple[object, ...], Pairs] = {}
        self._alive: list[Pairs] = []

    def _once(self, key: tuple[object, ...], work: Callable[[], Pairs], *used: Pairs) -> Pairs:
        key = (*key, *(id(each) for each in used))
        if key not in self._done:
            self._alive.extend(used)  # an id stays one matrix's
            self._done[key] = work()
        return self._done[key]

    def _mapped(self, name: str, bits: Pairs, values: Callable[[Ints], Ints]) -> Pairs:
        def work() -> Pairs:
            made = Pairs((values(as_ints(bits.data)), bits.indices, bits.indptr), bits.shape)
            if not made.data.all():
                made = made.copy()
                made.eliminate_zeros()
            return made

        return self._once((name,), work, bits)

    def present(self, bits: Pairs) -> Pairs:
        return self._mapped("present", bits, np.ones_like)

    def any_sign(self, bits: Pairs) -> Pairs:
        signed = POSITIVE | NEGATIVE
        return self._mapped("any sign", bits, lambda b: ((b & signed) != 0).astype(np.int64))

    def settled(self, bits: Pairs) -> Pairs:
        """1 where the pair has edges of one sign only; `any_sign` itself where that is all."""
        sign = self.sign(bits)
        some = self.any_sign(bits)
        return some if some.nnz == sign.nnz else self._mapped("settled", sign, np.abs)

    def sign(self, bits: Pairs) -> Pairs:
        """1 or -1 where the pair has edges of that sign only."""

        def signs(values: Ints) -> Ints:
            return ((values & POSITIVE) != 0).astype(np.int64) - ((values & NEGATIVE) != 0)

        return self._mapped("sign", bits, signs)

    @property
    def either(self) -> Pairs:
        """1 where an edge joins the pair, one way or the other."""
        forward = self.present(self.relations.forward)
        return self._once(("either",), lambda: self.present(Pairs(forward + forward.T)), forward)

    def transposed(self, pairs: Pairs) -> Pairs:
        return self._once(("transposed",), lambda: Pairs(pairs.T), pairs)

    def both(self, one: Pairs, two: Pairs) -> Pairs:
        """The products of entries."""
        one, two = sorted((one, two), key=id)
        return self._once(("both",), lambda: Pairs(one.multiply(two)), one, two)

    def without(self, pairs: Pairs, others: Pairs) -> Pairs:
        """`pairs` where `others` has nothing."""

        def work() -> Pairs:
            return Pairs(pairs - pairs.multiply(self.present(others)))

        return self._once(("without",), work, pairs, others)

    def ordered(self, pairs: Pairs, relation: DepthRelation) -> Pairs:
        """`pairs` where the row's depth stands in this relation to the column's."""

        def work() -> Pairs:
            found, depth = pairs.tocoo(), self.relations.depth
            kept = COMPARE[relation](depth[found.row], depth[found.col])
            entries = (found.data[kept], (found.row[kept], found.col[kept]))
            return Pairs(entries, shape=pairs.shape)

        return self._once((relation,), work, pairs)

    def through(self, left: Pairs, weight: Ints | None, right: Pairs, mask: Pairs | None) -> Pairs:
        """Left @ diag(weight) @ right, times `mask` entry by entry."""

        def work() -> Pairs:
            middle = right if weight is None else Pairs(right.multiply(weight[:, None]))
            if mask is None:
                return left @ middle
            # Row blocks, so that a product much fuller than its mask is never there as a whole.
            costs = np.cumsum(left.astype(bool).astype(np.int64) @ np.diff(middle.indptr))
            cuts = np.searchsorted(costs, np.arange(CELLS, costs[-1], CELLS)) if costs.size else []
            rows = np.unique([0, *cuts, len(left.indptr) - 1])
            parts = [
                Pairs((left[start:stop] @ middle).multiply(mask[start:stop]))
                for start, stop in pairwise(rows)
            ]
            return parts[0] if len(parts) == 1 else Pairs(sparse.vstack(parts))

        used = [each for each in (left, right, mask) if each is not None]
        if weight is not None:
            return work()
        return self._once(("through", mask is None), work, *used)
