"""How often a motif occurs in the circuits of a verdict's models, held against chance.

The roles are those of the verdict's own role tests, not all that the graph knows of the models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from graph_schema.documents import Motif, MotifTest, RoleName
from graph_schema.motifs import CircuitGraph, motif_tests
from graph_schema.motifs.significance import DRAWS
from graph_schema.store.records.motif_tests import write_motif_test
from graph_schema.store.records.node_roles import stale_where_changed
from workers.kinds.universality_evidence import Gathered, roles_of, tells

if TYPE_CHECKING:
    from neo4j import Transaction

MOST_DRAWS = 10_000
"""Of one circuit: with more than 500 circuits at level .05, too few to call anything."""


@dataclass(frozen=True)
class Occurrences:
    """The test of a motif in all circuits, and the roles of their nodes that it read."""

    motif: Motif
    test: MotifTest
    read: Mapping[str, Mapping[str, frozenset[RoleName]]]

    def write(self, tx: Transaction) -> None:
        """Write the test; it is stale where other role tests say more of the circuits' nodes."""
        write_motif_test(tx, [self.motif], self.test)
        stale_where_changed(tx, self.read)


def occurrences(
    motif: Motif, gathered: Sequence[Gathered], *, alpha: float, seed: int
) -> Occurrences | None:
    """The motif tested in every circuit of every model whose roles are known, as one family.

    None where there is no such circuit.
    """
    graphs = {
        circuit.circuit_id: CircuitGraph.of(circuit, roles_of(each.main.roles))
        for each in gathered
        if each.main.roles is not None and tells(each.main.roles, motif)
        for circuit in each.circuits
    }
    if not graphs:
        return None
    draws = min(MOST_DRAWS, max(DRAWS, 2 * ceil(len(graphs) / alpha)))
    test = motif_tests(graphs, [motif], draws=draws, seed=seed, alpha=alpha)
    read = {
        id: {node.name: node.roles for node in graph.nodes if node.roles}
        for id, graph in graphs.items()
    }
    return Occurrences(motif, test, read)
