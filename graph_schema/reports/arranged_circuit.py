"""A circuit's drawing as somebody arranged it: pruned, with pinned nodes, groups of nodes as one.

A group of nodes (a supernode) stands where that member stands which is nearest to their mean, so
that it covers nobody else. An edge of it is the sum of its members' edges with the same other end
and channel, among those that are shown; edges inside of it are not drawn.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count

import numpy as np

from graph_schema.documents import Annotation, PackedEdges
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.printable import clipped, printable
from graph_schema.reports.drawn_circuit import MEASURED, DrawnCircuit

EXACT, ESTIMATE = MEASURED[0], "estimate"
MOST_PINS, MOST_GROUPS = 200, 40
LONGEST_NAME = 80
"""Letters of a group's name."""


@dataclass(frozen=True)
class Group:
    """Nodes under one name, which is foreign text."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Supernode:
    """A group as a node of a drawing; no component has such a name."""

    name: str


def supernode(number: int) -> str:
    """What a group goes by, counted from 0 in the order of groups."""
    return f"group-{number + 1}"


@dataclass(frozen=True)
class ArrangedCircuit:
    """What is drawn.

    Attributes:
        drawn: The edges that are shown, sums where groups have several, the strongest first; groups
            come after all nodes of the circuit, in their order.
        counts: How many of the circuit's edges each of these stands for.
        always: Nodes that are shown without an edge, too: pinned ones and groups.
        titles: What nodes are called where that is not their name.
    """

    drawn: DrawnCircuit
    counts: tuple[int, ...]
    always: tuple[int, ...]
    titles: Mapping[str, str]


def check_node(name: str, drawn: DrawnCircuit) -> None:
    """Return where the circuit has the node.

    Raises:
        NotFoundError: It has not.
    """
    if name not in drawn.number:
        raise NotFoundError(f"the circuit has no node {clipped(printable(name), 80)!r}")


def pinned(names: Sequence[str], groups: Sequence[Group], drawn: DrawnCircuit) -> tuple[str, ...]:
    """The nodes that somebody pins, each once, without those that a group has.

    Raises:
        NotFoundError: The circuit has no such node.
        SpecError: They are too many.
    """
    pins = tuple(dict.fromkeys(names))
    if len(pins) > MOST_PINS:
        raise SpecError(f"{len(pins)} nodes are pinned; expected at most {MOST_PINS}")
    for name in pins:
        check_node(name, drawn)
    grouped = {name for group in groups for name in group.members}
    return tuple(name for name in pins if name not in grouped)


def with_group(
    groups: Sequence[Group], members: Sequence[str], name: str, drawn: DrawnCircuit
) -> tuple[Group, ...]:
    """The groups and one more, with a number behind its name where that is taken.

    Raises:
        NotFoundError: The circuit has no such node.
        SpecError: It is none, a node would be in two, or they would be too many.
    """
    name = printable(name).strip()
    wanted = tuple(dict.fromkeys(members))
    if not 0 < len(name) <= LONGEST_NAME:
        raise SpecError(f"a group's name has {len(name)} letters; expected 1 to {LONGEST_NAME}")
    for each in wanted:
        check_node(each, drawn)
    if len(wanted) < 2:
        raise SpecError(f"group {name!r} has {len(wanted)} nodes; expected two or more")
    taken = {each for group in groups for each in group.members}
    if twice := taken & set(wanted):
        raise SpecError(f"node {min(twice)} would be in two groups; expected one at most")
    if len(groups) >= MOST_GROUPS:
        raise SpecError(f"more than {MOST_GROUPS} groups are asked for")
    return (*groups, Group(_own_name(name, groups), wanted))


def with_stored(
    groups: Sequence[Group], remarks: Sequence[Annotation], nodes: Container[str]
) -> tuple[Group, ...]:
    """The groups and those that are stored with the circuit, as far as they fit.

    A long name is cut, and a node that is in two groups is in the first. Left out is a group
    without a name that can be shown, of fewer than two of these nodes, or past the 40th.
    """
    found = tuple(groups)
    taken = {name for group in found for name in group.members}
    for each in remarks:
        named = dict.fromkeys((each.component, *each.also))
        members = tuple(name for name in named if name in nodes and name not in taken)
        called = printable(each.text.strip())[:LONGEST_NAME].strip()
        fits = called and len(members) > 1 and len(found) < MOST_GROUPS
        if each.kind == "group" and fits:
            found = (*found, Group(_own_name(called, found), members))
            taken.update(members)
    return found


def _own_name(name: str, groups: Sequence[Group]) -> str:
    taken = {group.name for group in groups}
    names = (f"{name[: LONGEST_NAME - 5]} ({number})" for number in count(2))
    return next(each for each in chain([name], names) if each not in taken)


def shown_edges(drawn: DrawnCircuit, kept: int, pins: Sequence[str]) -> list[int]:
    """The `kept` strongest edges, by number, and those between pinned nodes."""
    numbers = list(range(min(kept, len(drawn.edges))))
    held = np.array([drawn.number[name] for name in pins], dtype=np.int64)
    if len(held) > 1:
        between = np.isin(drawn.senders, held) & np.isin(drawn.receivers, held)
        numbers += [int(i) for i in np.flatnonzero(between) if i >= kept]
    return numbers


def arranged(
    drawn: DrawnCircuit, kept: int, pins: Sequence[str] = (), groups: Sequence[Group] = ()
) -> ArrangedCircuit:
    """The drawing with so many edges, these pinned nodes and these groups.

    Args:
        drawn: All of the circuit.
        kept: How many of its strongest edges are shown.
        pins: Names of nodes of it.
        groups: Names of nodes of it, none in two.
    """
    n = len(drawn.nodes)
    now = np.arange(n)
    x, y = list(drawn.x), list(drawn.y)
    for place, group in enumerate(groups):
        members = np.array([drawn.number[name] for name in group.members], dtype=np.int64)
        far = (drawn.x[members] - drawn.x[members].mean()) ** 2
        far += (drawn.y[members] - drawn.y[members].mean()) ** 2
        nearest = members[int(far.argmin())]
        now[members] = n + place
        x.append(drawn.x[nearest])
        y.append(drawn.y[nearest])
    sums: dict[tuple[int, int, str], list[int]] = {}
    for i in shown_edges(drawn, kept, pins):
        ends = int(now[drawn.senders[i]]), int(now[drawn.receivers[i]])
        if ends[0] != ends[1]:
            sums.setdefault((*ends, drawn.edges.channels[i]), []).append(i)
    nodes = (*drawn.nodes, *(Supernode(supernode(place)) for place in range(len(groups))))
    rows = [(*key, *_summed(drawn.edges, own), len(own)) for key, own in sums.items()]
    rows.sort(key=lambda row: -abs(row[3] or 0.0))
    senders, receivers, channels, scores, kinds, counts = (
        zip(*rows, strict=True) if rows else [()] * 6
    )
    none = (None,) * len(rows)
    edges = PackedEdges(
        tuple(node.name for node in nodes),
        tuple(nodes[i].name for i in senders),
        tuple(nodes[i].name for i in receivers),
        channels, scores, kinds, none, none,
    )  # fmt: skip
    whole = DrawnCircuit(
        edges,
        nodes,
        np.array(x),
        np.array(y, dtype=np.int64),
        np.array(senders, dtype=np.int64),
        np.array(receivers, dtype=np.int64),
    )
    pinned = {int(now[drawn.number[name]]) for name in pins}
    return ArrangedCircuit(
        whole,
        tuple(counts),
        tuple(sorted(pinned | set(range(n, len(nodes))))),
        {supernode(place): group.name for place, group in enumerate(groups)},
    )


def _summed(edges: PackedEdges, own: Sequence[int]) -> tuple[float | None, str | None]:
    """The sum of these edges' scores, and whether all of it was measured."""
    scores = [score for i in own if (score := edges.scores[i]) is not None]
    if not scores:
        return None, None
    if len(own) == 1:
        return scores[0], edges.kinds[own[0]]
    return sum(scores), EXACT if all(edges.kinds[i] in MEASURED for i in own) else ESTIMATE
