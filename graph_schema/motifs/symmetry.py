"""Symmetries of a motif, and the name orders that leave one binding of each symmetric set.

Two bindings that differ by an automorphism of the pattern are one occurrence. Requiring that some
variables' nodes come in the order of their names keeps exactly one of them (Grochow and Kellis
2007); matcher and Cypher use the same orders, so they also name the same representative.
"""

from __future__ import annotations

from collections import Counter
from itertools import permutations

from graph_schema.documents.motif import Motif

Permutation = dict[str, str]


def _shape(motif: Motif, rename: Permutation) -> tuple[Counter[object], ...]:
    """Everything the pattern demands, after renaming its variables."""
    edges = [
        (rename[edge.sender], rename[edge.receiver], edge.channels, edge.sign)
        for edge in motif.edges
    ]
    return (
        Counter((rename[node.variable], node.roles, node.kinds) for node in motif.nodes),
        Counter(edges),
        Counter((rename[order.left], order.relation, rename[order.right]) for order in motif.depth),
        Counter(
            (frozenset(edges[place] for place in rule.edges), rule.product) for rule in motif.signs
        ),
    )


def automorphisms(motif: Motif) -> list[Permutation]:
    """The renamings of variables that leave the pattern as it is, the identity among them."""
    variables = motif.variables
    plain = _shape(motif, {name: name for name in variables})
    renamings = (dict(zip(variables, image, strict=True)) for image in permutations(variables))
    return [rename for rename in renamings if _shape(motif, rename) == plain]


def name_orders(motif: Motif) -> tuple[tuple[str, str], ...]:
    """Pairs (a, b): the node bound to a has the smaller name.

    Of the bindings that are images of each other, exactly one obeys all of them: fix the variables
    one after the other, each as the smallest of its orbit under what is left of the group.
    """
    group = automorphisms(motif)
    orders: list[tuple[str, str]] = []
    for variable in motif.variables:
        orbit = {rename[variable] for rename in group} - {variable}
        orders.extend((variable, other) for other in motif.variables if other in orbit)
        group = [rename for rename in group if rename[variable] == variable]
    return tuple(orders)
