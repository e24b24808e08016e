"""Counting motifs in many graphs on the same nodes at once, in bounded memory.

By sparse products (`elimination`) where the pattern can be reduced one variable at a time, as all
of the catalogue can; else by listing, some occurrences at a time (`listing`). Both mean what the
plain matcher means, and tests hold them to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph_schema.documents.motif import Motif
from graph_schema.motifs.draws import Draws, Ints, Relations
from graph_schema.motifs.elimination import TooDenseError, count_by_products
from graph_schema.motifs.listing import binding_tables

CELLS = 4_000_000
"""Upper bound on the pairs of nodes with a common neighbour, of the draws taken together."""


def count_all(draws: Draws, motifs: Sequence[Motif]) -> Ints:
    """The number of occurrences, a row a motif, a column a draw."""
    counts = np.zeros((len(motifs), draws.n_draws), dtype=np.int64)
    done = 0
    for part in draws.split(max(1, CELLS // _pairs_a_draw(draws))):
        relations = Relations(part)
        for place, motif in enumerate(motifs):
            counts[place, done : done + part.n_draws] = count_in(relations, motif)
        done += part.n_draws
    return counts


def count_occurrences(draws: Draws, motif: Motif) -> Ints:
    """The number of occurrences of `motif` in each draw."""
    return count_all(draws, [motif])[0]


def count_in(relations: Relations, motif: Motif) -> Ints:
    """The number of occurrences in each draw of `relations`."""
    try:
        return count_by_products(relations, motif)
    except TooDenseError:
        return count_by_listing(relations, motif)


def count_by_listing(relations: Relations, motif: Motif) -> Ints:
    """The same, each occurrence found and none kept."""
    counts = np.zeros(relations.draws.n_draws, dtype=np.int64)
    for table in binding_tables(relations, motif):
        counts += np.bincount(relations.draw_of(table[:, 0]), minlength=len(counts))
    return counts


def _pairs_a_draw(draws: Draws) -> int:
    """At most how many pairs of nodes have a common neighbour, in the fullest draw."""
    n = len(draws.nodes)
    rows = np.arange(draws.n_draws)[:, None] * n
    ends = np.concatenate([draws.sender + rows, draws.receiver + rows], axis=1)
    degree = np.bincount(ends.ravel(), minlength=draws.n_draws * n).reshape(draws.n_draws, n)
    return int(max(1, min(n * n, (degree**2).sum(axis=1).max(initial=1))))
