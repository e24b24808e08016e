"""Where a motif occurs in one circuit, as documents, no more of them than asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graph_schema.documents.motif import Motif, Occurrence
from graph_schema.motifs.counting import count_in
from graph_schema.motifs.draws import Draws, Ints, Relations
from graph_schema.motifs.graph import CircuitGraph
from graph_schema.motifs.listing import binding_tables

LIMIT = 100_000


@dataclass(frozen=True)
class Found:
    """Occurrences by the names of their nodes, and how many there are in all.

    Where there are more than the limit (`cut`), they are some of them: always the same ones.
    """

    occurrences: tuple[Occurrence, ...]
    total: int

    @property
    def cut(self) -> bool:
        return len(self.occurrences) < self.total


def find(graph: CircuitGraph, motif: Motif, circuit_id: str, *, limit: int = LIMIT) -> Found:
    """The occurrences of `motif` in a circuit, at most `limit`; all are counted."""
    relations = Relations(Draws.of(graph))
    tables: list[Ints] = []
    listed = 0
    for table in binding_tables(relations, motif):
        tables.append(table)
        listed += len(table)
        if listed > limit:
            break
    total = listed if listed <= limit else int(count_in(relations, motif)[0])
    if not tables:
        return Found((), 0)
    rows = np.concatenate(tables)[:limit]
    # Places are in the order of names; the last key of lexsort counts most.
    rows = rows[np.lexsort(rows.T[::-1])]
    names = [node.name for node in graph.nodes]
    variables, motif_id = motif.variables, motif.motif_id
    found = (
        Occurrence(
            motif_id=motif_id,
            circuit_id=circuit_id,
            binds={v: names[place] for v, place in zip(variables, row, strict=True)},
        )
        for row in rows.tolist()
    )
    return Found(tuple(found), total)
