"""Symmetries of a motif, and the name orders that leave one binding of each symmetric set.

Two bindings that differ by an automorphism of the pattern are one occurrence. Requiring that some
variables' nodes come in the order of their names keeps exactly one of them (Grochow and Kellis
2007); matcher and Cypher use the same orders, so they also name the same representative.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from itertools import permutations

from graph_schema.documents.component import Channel, ComponentKind
from graph_schema.documents.motif import Motif, Sign

Permutation = dict[str, str]


def _shape(motif: Motif, rename: Permutation) -> tuple[Counter[object] | frozenset[object], ...]:
    """Everything the pattern demands, after renaming its variables.

    What it demands, not how that is written: `a = b` is `b = a`, what follows from depth rules is
    one of them, and all channels or kinds together are none.
    """
    signs, rules = _sign_demands(motif)
    edges = [
        (rename[edge.sender], rename[edge.receiver], _some(edge.channels, Channel), sign)
        for edge, sign in zip(motif.edges, signs, strict=True)
    ]
    return (
        Counter(
            (rename[node.variable], node.roles, _some(node.kinds, ComponentKind))
            for node in motif.nodes
        ),
        Counter(edges),
        frozenset(
            (rename[left], relation, rename[right])
            for (left, right), relation in motif.depth_orders.items()
        ),
        Counter((frozenset(edges[place] for place in places), sign) for places, sign in rules),
    )


def _some(values: tuple[StrEnum, ...], every: type[StrEnum]) -> tuple[StrEnum, ...]:
    return () if len(values) == len(every) else values


def _sign_demands(motif: Motif) -> tuple[list[Sign | None], list[tuple[tuple[int, ...], Sign]]]:
    """Each edge's sign, and the rules on edges that have none.

    In a rule an edge whose sign is given turns the product or leaves it; a rule that is left with
    one edge gives that one its sign.
    """
    signs = [edge.sign for edge in motif.edges]
    rules: list[tuple[tuple[int, ...], Sign]] = []
    for rule in motif.signs:
        given = [signs[place] for place in rule.edges]
        turned = given.count(Sign.NEGATIVE) % 2 == 1
        left = tuple(place for place in rule.edges if signs[place] is None)
        sign = rule.product.opposite if turned else rule.product
        if len(left) == 1:
            signs[left[0]] = sign
        elif left or sign is Sign.NEGATIVE:
            rules.append((left, sign))
    return signs, rules


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
